// Oracle asks verifiers that other people wrote for their verdict on a file.
//
// It prints one line of JSON and exits 0 if they accept, 1 if they reject, and 2 if
// there is no verdict: bad usage, an unreadable file, a crash, a time-out.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
)

const (
	exitAccepted = 0
	exitRejected = 1
	exitBroken   = 2
)

// verdict is the line on standard output.
type verdict struct {
	Oracle   string `json:"oracle"`
	Version  string `json:"version"`
	Accepted bool   `json:"accepted"`
	Detail   string `json:"detail"`
}

// rejection is an error by which foreign code says no; every other error means that
// there is no verdict.
type rejection struct{ error }

// oracle is one subcommand.
type oracle struct {
	usage     string
	module    string // whose code decides
	argsCount []int
	judge     func(args []string) (detail string, err error)
}

const (
	modMod       = "golang.org/x/mod"
	modTessera   = "github.com/transparency-dev/tessera"
	modTorchwood = "filippo.io/torchwood"
	modCose      = "github.com/veraison/go-cose"
)

var oracles = map[string]oracle{
	"note":        {"VKEY FILE", modMod, []int{2}, judgeNote},
	"inclusion":   {"FILE", modMod, []int{1}, judgeInclusion},
	"consistency": {"FILE", modMod, []int{1}, judgeConsistency},
	"fsck":        {"DIR VKEY", modTessera, []int{2}, judgeFsck},
	"tiles":       {"DIR VKEY", modTorchwood, []int{2}, judgeTiles},
	"cosignature": {"VKEY FILE", modTorchwood, []int{2}, judgeCosignature},
	"proof":       {"POLICY_FILE PROOF_FILE ENTRY_FILE", modTorchwood, []int{3}, judgeProof},
	"cose":        {"PUBKEY_HEX FILE [PAYLOAD_FILE]", modCose, []int{2, 3}, judgeCose},
}

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	if len(args) == 0 {
		return printUsage()
	}
	o, ok := oracles[args[0]]
	if !ok || !slices.Contains(o.argsCount, len(args)-1) {
		return printUsage()
	}
	detail, err := o.judge(args[1:])
	no, rejected := errors.AsType[rejection](err)
	if err != nil && !rejected {
		fmt.Fprintf(os.Stderr, "%s: no verdict: %v\n", args[0], err)
		return exitBroken
	}
	v := verdict{Oracle: args[0], Version: moduleVersion(o.module), Accepted: !rejected, Detail: detail}
	if rejected {
		v.Detail = no.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitBroken
	}
	if rejected {
		return exitRejected
	}
	return exitAccepted
}

func printUsage() int {
	for name, o := range oracles {
		fmt.Fprintf(os.Stderr, "usage: oracle %s %s\n", name, o.usage)
	}
	return exitBroken
}

// moduleVersion says which release of path is linked into this binary.
func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == path {
				return path + " " + dep.Version
			}
		}
	}
	return path + " (unknown)"
}
