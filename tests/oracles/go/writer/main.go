// Oracle-writer lets Tessera write a log, so that readers can be tried on a log that
// none of us wrote: oracle-writer DIR COUNT ORIGIN. Entry i is "entry i" repeated i%9
// times, so entry 0 is empty. It prints the log's verifier key.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

const (
	writeLimit = 60 * time.Second
	// batchAge is an upper bound: the batch closes when its last entry arrives.
	batchAge     = time.Second
	pollInterval = 50 * time.Millisecond
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: oracle-writer DIR COUNT ORIGIN")
		os.Exit(2)
	}
	count, err := strconv.ParseUint(os.Args[2], 10, 16)
	if err == nil {
		err = write(os.Args[1], uint(count), os.Args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func write(dir string, count uint, origin string) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	secret, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(max(count, 1), batchAge).
		WithCheckpointInterval(2 * pollInterval)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return err
	}
	if err := appendEntries(ctx, appender, reader, count); err != nil {
		return err
	}
	if err := shutdown(ctx); err != nil {
		return err
	}
	fmt.Println(vkey)
	return nil
}

// appendEntries keeps the order by adding one entry after the other, and returns once
// a published checkpoint covers them all.
func appendEntries(ctx context.Context, appender *tessera.Appender, reader tessera.LogReader, count uint) error {
	futures := make([]tessera.IndexFuture, 0, count)
	for i := range count {
		entry := strings.Repeat(fmt.Sprintf("entry %d", i), int(i%9))
		futures = append(futures, appender.Add(ctx, tessera.NewEntry([]byte(entry))))
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, pollInterval)
	for i, future := range futures {
		index, _, err := awaiter.Await(ctx, future)
		if err != nil {
			return err
		}
		if index.Index != uint64(i) {
			return fmt.Errorf("entry %d was given index %d", i, index.Index)
		}
	}
	return nil
}
