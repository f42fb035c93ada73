package main

import (
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// judgeNote opens a signed note with one known key of type 0x01 (Ed25519).
func judgeNote(args []string) (string, error) {
	v, err := note.NewVerifier(args[0])
	if err != nil {
		return "", err
	}
	return openNote(args[1], v)
}

// judgeCosignature opens a checkpoint with one known witness key, of type 0x04
// (Ed25519) or 0x06 (ML-DSA-44).
func judgeCosignature(args []string) (string, error) {
	v, err := torchwood.NewCosignatureVerifier(args[0])
	if err != nil {
		return "", err
	}
	return openNote(args[1], v)
}

func openNote(path string, v note.Verifier) (string, error) {
	signed, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return "", rejection{err}
	}
	detail := fmt.Sprintf("signed by %s, other signatures not checked: %d", v.Name(), len(n.UnverifiedSigs))
	if _, ok := v.(*torchwood.CosignatureVerifier); ok {
		at, err := torchwood.CosignatureTimestamp(n.Sigs[0])
		if err != nil {
			return "", rejection{err}
		}
		detail += fmt.Sprintf(", time %d", at)
	}
	return detail, nil
}

// judgeProof checks an offline proof (c2sp.org/tlog-proof) of an entry under a policy
// of log keys, witness keys and a quorum.
func judgeProof(args []string) (string, error) {
	var files [3][]byte
	for i, path := range args {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		files[i] = data
	}
	policy, err := torchwood.ParsePolicy(files[0])
	if err != nil {
		return "", err
	}
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(files[2]), files[1]); err != nil {
		return "", rejection{err}
	}
	return "included, under a checkpoint that satisfies the policy", nil
}
