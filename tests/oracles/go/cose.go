package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/veraison/go-cose"
)

const pointBytes = 65 // 0x04 || x || y on P-256

// judgeCose checks a tagged COSE_Sign1: EdDSA (-8) under a key of 32 bytes, ES256 (-7)
// under an uncompressed point. A detached payload comes from a file of its own.
func judgeCose(args []string) (string, error) {
	verifier, err := coseVerifier(args[0])
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(args[1])
	if err != nil {
		return "", err
	}
	var payload []byte
	if len(args) == 3 {
		if payload, err = os.ReadFile(args[2]); err != nil {
			return "", err
		}
	}
	message := cose.NewSign1Message()
	if err := message.UnmarshalCBOR(data); err != nil {
		return "", rejection{err}
	}
	switch attached := message.Payload != nil; {
	case attached && len(args) == 3:
		return "", errors.New("the payload is attached, and another one is given")
	case !attached && len(args) == 2:
		return "", errors.New("the payload is detached, and none is given")
	case !attached:
		message.Payload = payload
	}
	if err := message.Verify(nil, verifier); err != nil {
		return "", rejection{err}
	}
	return fmt.Sprintf("%s over %d bytes of payload", verifier.Algorithm(), len(message.Payload)), nil
}

func coseVerifier(publicHex string) (cose.Verifier, error) {
	raw, err := hex.DecodeString(publicHex)
	if err != nil {
		return nil, err
	}
	var key crypto.PublicKey
	var algorithm cose.Algorithm
	switch len(raw) {
	case ed25519.PublicKeySize:
		algorithm, key = cose.AlgorithmEdDSA, ed25519.PublicKey(raw)
	case pointBytes:
		algorithm = cose.AlgorithmES256
		if key, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("key of %d bytes, want %d or %d", len(raw), ed25519.PublicKeySize, pointBytes)
	}
	return cose.NewVerifier(algorithm, key)
}
