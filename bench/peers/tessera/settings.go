package main

import (
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/transparency-dev/tessera"
)

// Bounds of one run; a bench is never allowed to become a soak test by a typing mistake.
const (
	addersMax  = 16384
	entryMax   = 65535 // bytes, C2SP tlog-tiles
	secondsMax = 120
	countMax   = 5_000_000
)

// settings is what one run was asked to do; it is printed with the figures.
type settings struct {
	Preset             string        `json:"preset"`
	EntryBytes         int           `json:"entry_bytes"`
	Adders             int           `json:"adders"`
	Until              string        `json:"until"` // "index" or "checkpoint"
	Duration           time.Duration `json:"-"`
	Warmup             time.Duration `json:"-"`
	Count              int64         `json:"count_max"` // 0: no bound but the time
	BatchSize          uint          `json:"batch_size"`
	BatchAge           time.Duration `json:"-"`
	CheckpointInterval time.Duration `json:"-"`
	Pushback           uint          `json:"pushback"`
	Poll               time.Duration `json:"-"`
	Directory          string        `json:"-"`
	Fsck               bool          `json:"-"`
	DurationMs         float64       `json:"duration_ms"`
	WarmupMs           float64       `json:"warmup_ms"`
	BatchAgeMs         float64       `json:"batch_age_ms"`
	CheckpointMs       float64       `json:"checkpoint_interval_ms"`
	PollMs             float64       `json:"awaiter_poll_ms"`
}

// preset names a set of Tessera's own options; README.md says why these values.
type preset struct {
	batchSize  uint
	batchAge   time.Duration
	checkpoint time.Duration
	poll       time.Duration
}

var presets = map[string]preset{
	// What an operator gets who sets nothing; 100 ms is the poll period of Tessera's own example.
	"defaults": {tessera.DefaultBatchMaxSize, tessera.DefaultBatchMaxAge, tessera.DefaultCheckpointInterval, 100 * time.Millisecond},
	// Best seen for many adders at once: batches fill up before the timer cuts them short.
	"throughput": {256, 50 * time.Millisecond, checkpointIntervalMin, 5 * time.Millisecond},
	// Best possible for one adder: a batch of one never waits for the timer.
	"latency": {1, time.Millisecond, checkpointIntervalMin, time.Millisecond},
}

// checkpointIntervalMin is the shortest interval that Tessera's POSIX driver accepts.
const checkpointIntervalMin = 100 * time.Millisecond

func parseSettings() (settings, error) {
	var s settings
	flag.StringVar(&s.Preset, "preset", "throughput", "defaults, throughput or latency")
	flag.IntVar(&s.EntryBytes, "entry-bytes", 512, "bytes of one entry")
	flag.IntVar(&s.Adders, "adders", 512, "adders, each waits for its entry before it adds the next")
	flag.StringVar(&s.Until, "until", "index", "what an adder waits for: index or checkpoint")
	flag.DurationVar(&s.Duration, "for", 5*time.Second, "time that is measured")
	flag.DurationVar(&s.Warmup, "warmup", time.Second, "time before, not measured")
	flag.Int64Var(&s.Count, "count", 0, "stop after this many entries, 0 for no bound but the time")
	flag.UintVar(&s.BatchSize, "batch-size", 0, "overrides the preset")
	flag.DurationVar(&s.BatchAge, "batch-age", 0, "overrides the preset")
	flag.DurationVar(&s.CheckpointInterval, "checkpoint-interval", 0, "overrides the preset")
	flag.DurationVar(&s.Poll, "poll", 0, "poll period of the awaiter, overrides the preset")
	flag.UintVar(&s.Pushback, "pushback", tessera.DefaultPushbackMaxOutstanding, "entries in flight before Tessera pushes back")
	flag.StringVar(&s.Directory, "dir", "", "directory for the log: must not exist, is removed at the end")
	flag.BoolVar(&s.Fsck, "fsck", true, "check the whole log afterwards with Tessera's fsck")
	flag.Parse()
	s.fillFrom(presets[s.Preset])
	return s, s.valid()
}

// fillFrom takes what was not given from the preset.
func (s *settings) fillFrom(p preset) {
	if s.BatchSize == 0 {
		s.BatchSize = p.batchSize
	}
	orPreset(&s.BatchAge, p.batchAge)
	orPreset(&s.CheckpointInterval, p.checkpoint)
	orPreset(&s.Poll, p.poll)
	s.DurationMs, s.WarmupMs = ms(s.Duration), ms(s.Warmup)
	s.BatchAgeMs, s.CheckpointMs, s.PollMs = ms(s.BatchAge), ms(s.CheckpointInterval), ms(s.Poll)
}

func orPreset(given *time.Duration, p time.Duration) {
	if *given == 0 {
		*given = p
	}
}

func (s settings) valid() error {
	_, known := presets[s.Preset]
	switch {
	case !known:
		return fmt.Errorf("unknown preset %q", s.Preset)
	case s.Directory == "":
		return errors.New("-dir is missing")
	case s.Adders < 1 || s.Adders > addersMax:
		return fmt.Errorf("-adders must be 1 to %d", addersMax)
	case s.EntryBytes < entryHeaderBytes || s.EntryBytes > entryMax:
		return fmt.Errorf("-entry-bytes must be %d to %d", entryHeaderBytes, entryMax)
	case s.Until != "index" && s.Until != "checkpoint":
		return fmt.Errorf("-until must be index or checkpoint, got %q", s.Until)
	case s.Duration <= 0 || s.Warmup < 0 || s.Duration+s.Warmup > secondsMax*time.Second:
		return fmt.Errorf("-for and -warmup must be within %d s together", secondsMax)
	case s.Count < 0 || s.Count > countMax:
		return fmt.Errorf("-count must be 0 to %d", countMax)
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
