package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/tlog"
)

// inclusion is the input of judgeInclusion; hashes are in standard base64.
type inclusion struct {
	Size     *int64   `json:"size"`
	Index    *int64   `json:"index"`
	LeafHash []byte   `json:"leaf_hash"`
	Root     []byte   `json:"root"`
	Proof    [][]byte `json:"proof"`
}

// consistency is the input of judgeConsistency; 1 is the older tree.
type consistency struct {
	Size1 *int64   `json:"size1"`
	Root1 []byte   `json:"root1"`
	Size2 *int64   `json:"size2"`
	Root2 []byte   `json:"root2"`
	Proof [][]byte `json:"proof"`
}

func judgeInclusion(args []string) (string, error) {
	var in inclusion
	if err := readJSON(args[0], &in); err != nil {
		return "", err
	}
	if in.Size == nil || in.Index == nil {
		return "", fmt.Errorf("size or index is missing")
	}
	hashes, err := asHashes(append([][]byte{in.LeafHash, in.Root}, in.Proof...))
	if err != nil {
		return "", err
	}
	if err := tlog.CheckRecord(hashes[2:], *in.Size, hashes[1], *in.Index, hashes[0]); err != nil {
		return "", rejection{err}
	}
	return fmt.Sprintf("leaf %d is in the tree of size %d", *in.Index, *in.Size), nil
}

func judgeConsistency(args []string) (string, error) {
	var in consistency
	if err := readJSON(args[0], &in); err != nil {
		return "", err
	}
	if in.Size1 == nil || in.Size2 == nil {
		return "", fmt.Errorf("size1 or size2 is missing")
	}
	hashes, err := asHashes(append([][]byte{in.Root1, in.Root2}, in.Proof...))
	if err != nil {
		return "", err
	}
	if err := tlog.CheckTree(hashes[2:], *in.Size2, hashes[1], *in.Size1, hashes[0]); err != nil {
		return "", rejection{err}
	}
	return fmt.Sprintf("the tree of size %d begins with that of size %d", *in.Size2, *in.Size1), nil
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// asHashes refuses what tlog's own type cannot express; that is no verdict of tlog.
func asHashes(raw [][]byte) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(raw))
	for i, b := range raw {
		if len(b) != tlog.HashSize {
			return nil, fmt.Errorf("hash of %d bytes, want %d", len(b), tlog.HashSize)
		}
		hashes[i] = tlog.Hash(b)
	}
	return hashes, nil
}
