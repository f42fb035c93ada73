package main

import (
	"math"
	"slices"
	"time"
)

// latencies are in milliseconds; percentiles are nearest rank, so each was really seen.
type latencies struct {
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
	N   int     `json:"n"`
}

// summarise returns nil where nothing was measured.
func summarise(values []time.Duration) *latencies {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	return &latencies{
		P50: ms(nearestRank(values, 0.50)),
		P90: ms(nearestRank(values, 0.90)),
		P99: ms(nearestRank(values, 0.99)),
		Max: ms(values[len(values)-1]),
		N:   len(values),
	}
}

// nearestRank returns the smallest value that at least a share q of all values do not exceed.
func nearestRank(sorted []time.Duration, q float64) time.Duration {
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

func gather(all []samples, part func(samples) []time.Duration) []time.Duration {
	var out []time.Duration
	for _, s := range all {
		out = append(out, part(s)...)
	}
	return out
}
