package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

const (
	verdictLimit = 60 * time.Second

	// A worker of fsck ends at the first tile that differs, and fsck hangs once the last
	// one has ended while tiles are left. With one worker per tile that cannot happen; a
	// log above the maximum (about four million entries) is left to verdictLimit.
	fsckWorkersMin = 2
	fsckWorkersMax = 1 << 14
)

// judgeFsck lets Tessera rebuild every tile and the root from the entry bundles of a
// directory, and compare them with the tiles there and with the checkpoint.
func judgeFsck(args []string) (string, error) {
	dir := args[0]
	v, err := note.NewVerifier(args[1])
	if err != nil {
		return "", err
	}
	size, err := claimedSize(dir, v)
	if err != nil {
		return "", err
	}
	check := fsck.New(v.Name(), v, client.FileFetcher{Root: dir}, leafHashes, fsck.Opts{N: fsckWorkers(size)})
	done := make(chan error, 1)
	go func() { done <- check.Check(context.Background()) }()
	select {
	case err := <-done:
		if err != nil {
			return "", rejection{err}
		}
		return fmt.Sprintf("root and all tiles rebuilt from %d entries", size), nil
	case <-time.After(verdictLimit):
		return "", fmt.Errorf("fsck did not end within %s", verdictLimit)
	}
}

// claimedSize reads the size off the checkpoint, zero if that cannot be believed: then
// the verdict is up to the caller's verifier.
func claimedSize(dir string, v note.Verifier) (int64, error) {
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return 0, err
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return 0, nil
	}
	checkpoint, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil {
		return 0, nil
	}
	return checkpoint.N, nil
}

// fsckWorkers counts the tiles of a tree, all levels, partial ones too.
func fsckWorkers(size int64) uint {
	workers := int64(fsckWorkersMin)
	for size > 0 {
		size = (size + torchwood.TileWidth - 1) / torchwood.TileWidth
		workers += size
		if size == 1 {
			break
		}
	}
	return uint(min(workers, fsckWorkersMax))
}

// leafHashes hashes the entries of a bundle: SHA-256(0x00 || entry).
func leafHashes(bundle []byte) ([][]byte, error) {
	var entries api.EntryBundle
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(entries.Entries))
	for _, entry := range entries.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

// judgeTiles lets the Torchwood client read every entry of a directory, each one
// authenticated against the checkpoint.
func judgeTiles(args []string) (string, error) {
	v, err := torchwood.NewLogVerifier(args[1])
	if err != nil {
		return "", err
	}
	dir, err := os.OpenRoot(args[0])
	if err != nil {
		return "", err
	}
	signed, err := dir.ReadFile("checkpoint")
	if err != nil {
		return "", err
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(v.Name()), torchwood.SingleVerifierPolicy(v))
	checkpoint, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return "", rejection{err}
	}
	tiles, err := torchwood.NewTileFS(dir.FS())
	if err != nil {
		return "", err
	}
	reader, err := torchwood.NewClient(tiles, torchwood.WithTimeout(verdictLimit))
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verdictLimit)
	defer cancel()
	var count int64
	for range reader.AllEntries(ctx, checkpoint.Tree, 0) {
		count++
	}
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case reader.Err() != nil:
		return "", rejection{reader.Err()}
	case count != checkpoint.N:
		return "", fmt.Errorf("read %d of %d entries", count, checkpoint.N)
	}
	return fmt.Sprintf("read %d entries", count), nil
}
