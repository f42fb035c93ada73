package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// stored is what the log takes on disk.
type stored struct {
	Entries          int64   `json:"entries"`
	Files            int64   `json:"files"`
	Bytes            int64   `json:"bytes"`           // file lengths, as found
	AllocatedBytes   int64   `json:"allocated_bytes"` // blocks of the file system, as found
	CollectedBytes   int64   `json:"collected_bytes"` // without partials that a full tile replaces
	OverheadPerEntry float64 `json:"overhead_bytes_per_entry"`
	// OverheadCollected is the fairer one: Tessera removes such partials itself after a minute.
	OverheadCollected float64 `json:"overhead_collected_bytes_per_entry"`
}

// partialDir matches the directory of a tile's partial versions, for example "tile/0/003.p".
var partialDir = regexp.MustCompile(`^(.*)\.p$`)

// measureStored walks the whole log directory.
func measureStored(root string, entries int64, entryBytes int) (stored, error) {
	out := stored{Entries: entries}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		out.count(path, info)
		return nil
	})
	payload := entries * int64(entryBytes)
	if entries > 0 {
		out.OverheadPerEntry = float64(out.Bytes-payload) / float64(entries)
		out.OverheadCollected = float64(out.CollectedBytes-payload) / float64(entries)
	}
	return out, err
}

func (s *stored) count(path string, info fs.FileInfo) {
	s.Files++
	s.Bytes += info.Size()
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.AllocatedBytes += sys.Blocks * 512
	}
	if !replaced(path) {
		s.CollectedBytes += info.Size()
	}
}

// replaced says whether a file is a partial tile whose full tile exists, or whose
// directory holds a larger partial of the same tile.
func replaced(path string) bool {
	directory, name := filepath.Split(path)
	match := partialDir.FindStringSubmatch(strings.TrimSuffix(directory, string(filepath.Separator)))
	if match == nil {
		return false
	}
	if _, err := os.Stat(match[1]); err == nil {
		return true
	}
	return name != largestPartial(directory)
}

// largestPartial returns the name with the highest number: names are plain decimals.
func largestPartial(directory string) string {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return ""
	}
	largest := ""
	for _, e := range entries {
		if n := e.Name(); len(n) > len(largest) || len(n) == len(largest) && n > largest {
			largest = n
		}
	}
	return largest
}
