package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/transparency-dev/tessera"
)

// entryHeaderBytes is the part that makes every entry different: adder and counter.
const entryHeaderBytes = 16

// load is the state all adders share; only the counters are written while they run.
type load struct {
	settings settings
	add      tessera.AddFn
	awaiter  *tessera.PublicationAwaiter // nil unless a checkpoint is awaited
	measured time.Time                   // measuring starts
	end      time.Time                   // no entry is added from here on
	started  atomic.Int64                // entries handed to Tessera, warm-up included
	acked    atomic.Int64                // entries acknowledged, warm-up included
}

// samples belongs to one adder: latencies of the entries acknowledged while measuring.
type samples struct {
	index      []time.Duration // add to durable index
	checkpoint []time.Duration // add to a published checkpoint that covers it
	err        error
}

// run starts the adders and waits for all of them.
func (l *load) run(ctx context.Context) []samples {
	begin := time.Now()
	l.measured = begin.Add(l.settings.Warmup)
	l.end = l.measured.Add(l.settings.Duration)
	all := make([]samples, l.settings.Adders)
	var group sync.WaitGroup
	for i := range all {
		group.Add(1)
		go func() {
			defer group.Done()
			all[i].err = l.addAll(ctx, uint64(i), &all[i])
		}()
	}
	group.Wait()
	return all
}

// addAll adds one entry after the other until the time or the count is used up.
func (l *load) addAll(ctx context.Context, adder uint64, out *samples) error {
	random := rand.New(rand.NewPCG(adder, 1))
	filler := randomBytes(random, l.settings.EntryBytes)
	for counter := uint64(0); l.more(); counter++ {
		entry := tessera.NewEntry(newEntry(filler, adder, counter))
		if err := l.addOne(ctx, entry, out); err != nil {
			return fmt.Errorf("adder %d, entry %d: %w", adder, counter, err)
		}
	}
	return nil
}

// more claims one entry, or says that there is none left to add.
func (l *load) more() bool {
	if !time.Now().Before(l.end) {
		return false
	}
	n := l.started.Add(1)
	return l.settings.Count == 0 || n <= l.settings.Count
}

// addOne adds an entry, waits for what the settings ask, and notes the latencies.
func (l *load) addOne(ctx context.Context, entry *tessera.Entry, out *samples) error {
	added := time.Now()
	future := l.add(ctx, entry)
	if _, err := future(); err != nil {
		return err
	}
	indexed := time.Now()
	done := indexed
	if l.awaiter != nil {
		// The future is resolved and remembered, so this waits for the checkpoint alone.
		if _, _, err := l.awaiter.Await(ctx, future); err != nil {
			return err
		}
		done = time.Now()
	}
	l.acked.Add(1)
	if done.Before(l.measured) || done.After(l.end) {
		return nil
	}
	out.index = append(out.index, indexed.Sub(added))
	if l.awaiter != nil {
		out.checkpoint = append(out.checkpoint, done.Sub(added))
	}
	return nil
}

func newEntry(filler []byte, adder, counter uint64) []byte {
	data := append([]byte(nil), filler...)
	binary.BigEndian.PutUint64(data, adder)
	binary.BigEndian.PutUint64(data[8:], counter)
	return data
}

func randomBytes(random *rand.Rand, size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}
