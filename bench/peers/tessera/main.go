// Command tessera-bench appends to a fresh Tessera log on a POSIX directory, waits for each
// acknowledgement, and prints one JSON object with what it saw.
//
// Adders run in the same process as the log, without HTTP: the figures are Tessera's best case.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"k8s.io/klog/v2"
)

const (
	origin      = "log.example/bench"
	fsckWorkers = 2 // with one worker a mismatch hangs in v1.0.4
	fsckTimeout = 2 * time.Minute
)

// report is the JSON object that this command prints.
type report struct {
	Peer         string     `json:"peer"`
	Version      string     `json:"version"`
	Go           string     `json:"go"`
	Settings     settings   `json:"settings"`
	EntriesPerS  float64    `json:"entries_per_s"`
	Index        *latencies `json:"latency_index"`
	Checkpoint   *latencies `json:"latency_checkpoint"`
	Stored       stored     `json:"stored"`
	PeakRSSBytes int64      `json:"peak_rss_bytes"` // log and adders together
	CPUSeconds   float64    `json:"cpu_s"`          // log and adders together, warm-up included
	Checked      string     `json:"checked"`
}

func main() {
	klog.InitFlags(nil)
	// Tessera logs at start and shutdown; only what it calls an error may reach the terminal.
	_ = flag.Set("stderrthreshold", "ERROR")
	_ = flag.Set("logtostderr", "false")
	s, err := parseSettings()
	if err == nil {
		err = measure(context.Background(), s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tessera-bench:", err)
		os.Exit(1)
	}
}

// measure owns the log directory: it makes it, and removes it whatever happens.
func measure(ctx context.Context, s settings) (err error) {
	if err := os.Mkdir(s.Directory, 0o755); err != nil {
		return fmt.Errorf("the log needs a fresh directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.Directory)) }()
	signer, verifier, err := newKeys()
	if err != nil {
		return err
	}
	out, err := appendEntries(ctx, s, signer)
	if err != nil {
		return err
	}
	if out.Checked, err = checkLog(ctx, s, verifier, out.Stored.Entries); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func newKeys() (note.Signer, note.Verifier, error) {
	secret, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, nil, err
	}
	signer, errSigner := note.NewSigner(secret)
	verifier, errVerifier := note.NewVerifier(public)
	return signer, verifier, errors.Join(errSigner, errVerifier)
}

// appendEntries runs the load and shuts the log down cleanly.
func appendEntries(ctx context.Context, s settings, signer note.Signer) (report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	driver, err := posix.New(ctx, posix.Config{Path: s.Directory})
	if err != nil {
		return report{}, err
	}
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options(s, signer))
	if err != nil {
		return report{}, err
	}
	work := load{settings: s, add: appender.Add}
	if s.Until == "checkpoint" {
		work.awaiter = tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, s.Poll)
	}
	all := work.run(ctx)
	out := newReport(s, &work, all)
	if err := errors.Join(firstError(all), shutdown(ctx)); err != nil {
		return report{}, err
	}
	out.Stored, err = measureStored(s.Directory, work.acked.Load(), s.EntryBytes)
	return out, err
}

func options(s settings, signer note.Signer) *tessera.AppendOptions {
	return tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(s.BatchSize, s.BatchAge).
		WithCheckpointInterval(s.CheckpointInterval).
		WithPushback(s.Pushback)
}

func newReport(s settings, work *load, all []samples) report {
	ended := earlier(time.Now(), work.end) // a run that stops by count may end before its time
	index := gather(all, func(s samples) []time.Duration { return s.index })
	checkpoint := gather(all, func(s samples) []time.Duration { return s.checkpoint })
	rss, cpu := resources()
	return report{
		Peer:         "tessera",
		Version:      tesseraVersion(),
		Go:           runtime.Version(),
		Settings:     s,
		EntriesPerS:  float64(len(index)) / max(ended.Sub(work.measured), time.Millisecond).Seconds(),
		Index:        summarise(index),
		Checkpoint:   summarise(checkpoint),
		PeakRSSBytes: rss,
		CPUSeconds:   cpu,
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func firstError(all []samples) error {
	for _, s := range all {
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

// checkLog believes nothing above: size from the signed checkpoint, root from the entries.
func checkLog(ctx context.Context, s settings, verifier note.Verifier, acked int64) (string, error) {
	source := &client.FileFetcher{Root: s.Directory}
	checkpoint, _, _, err := client.FetchCheckpoint(ctx, source.ReadCheckpoint, verifier, origin)
	if err != nil {
		return "", err
	}
	if checkpoint.Size != uint64(acked) {
		return "", fmt.Errorf("checkpoint has %d entries, %d were acknowledged", checkpoint.Size, acked)
	}
	if !s.Fsck {
		return "checkpoint size", nil
	}
	ctx, cancel := context.WithTimeout(ctx, fsckTimeout)
	defer cancel()
	if err := fsck.New(origin, verifier, source, leafHashes, fsck.Opts{N: fsckWorkers}).Check(ctx); err != nil {
		return "", fmt.Errorf("fsck: %w", err)
	}
	return "checkpoint size and fsck", nil
}

func leafHashes(bundle []byte) ([][]byte, error) {
	var parsed api.EntryBundle
	if err := parsed.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, len(parsed.Entries))
	for i, entry := range parsed.Entries {
		hashes[i] = rfc6962.DefaultHasher.HashLeaf(entry)
	}
	return hashes, nil
}

// resources returns this process's peak resident bytes and CPU seconds so far.
func resources() (int64, float64) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, 0
	}
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return usage.Maxrss * 1024, cpu.Seconds() // Linux counts kibibytes
}

func tesseraVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, module := range info.Deps {
		if module.Path == "github.com/transparency-dev/tessera" {
			return module.Version
		}
	}
	return "unknown"
}
