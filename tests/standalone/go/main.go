// Check opens a bundle's signed notes and proofs with Go's own packages: golang.org/x/mod/sumdb/note and tlog.
//
//	check BUNDLE ORIGIN GATEWAY-KEY
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type proofs struct {
	Checkpoints []struct {
		Old, New int64
		Hashes   []string
	}
}

type entry struct {
	Kind string
	Body json.RawMessage
}

// hashes is a log in memory, as tlog stores it.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = h[index]
	}
	return found, nil
}

func main() {
	if err := check(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func check(bundle, origin, key string) error {
	control, err := openNote(filepath.Join(bundle, "data/checkpoints/control.txt"), origin+"/control", key)
	if err != nil {
		return err
	}
	data, err := openNote(filepath.Join(bundle, "data/checkpoints/data.txt"), origin+"/data", key)
	if err != nil {
		return err
	}
	leaves, err := readSegment(filepath.Join(bundle, "data/control.log"), 0)
	if err != nil {
		return err
	}
	if err := wholeTree("control", leaves, control); err != nil {
		return err
	}
	if err := consistency(bundle, leaves, data); err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(bundle, "data/segments/*.seg"))
	if err != nil {
		return err
	}
	sort.Strings(names)
	leaves = nil
	for _, name := range names {
		first, _ := strconv.ParseInt(strings.Split(filepath.Base(name), "-")[0], 10, 64)
		if first != int64(len(leaves)) {
			fmt.Println("data: the bundle does not hold the whole log")
			return nil
		}
		more, err := readSegment(name, first)
		if err != nil {
			return err
		}
		leaves = append(leaves, more...)
	}
	if int64(len(leaves)) != data.N {
		fmt.Println("data: the bundle does not hold the whole log")
		return nil
	}
	return wholeTree("data", leaves, data)
}

// openNote reads a checkpoint: note checks its signature, tlog's hash parser its root.
func openNote(path, name, key string) (tlog.Tree, error) {
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	public := append([]byte{1}, raw...)
	sum := sha256.Sum256(append([]byte(name+"\n"), public...))
	verifier, err := note.NewVerifier(fmt.Sprintf("%s+%08x+%s", name, binary.BigEndian.Uint32(sum[:4]), base64.StdEncoding.EncodeToString(public)))
	if err != nil {
		return tlog.Tree{}, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s: %w", path, err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != name {
		return tlog.Tree{}, fmt.Errorf("%s: not a checkpoint of %s", path, name)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func readSegment(path string, first int64) ([][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(data) < 12 || !bytes.Equal(data[:4], []byte("CJS1")) || int64(binary.BigEndian.Uint64(data[4:12])) != first {
		return nil, fmt.Errorf("%s: does not begin at %d", path, first)
	}
	data = data[12:]
	var leaves [][]byte
	for len(data) > 0 {
		size := binary.BigEndian.Uint32(data)
		leaves, data = append(leaves, data[4:4+size]), data[4+size:]
		parts := binary.BigEndian.Uint16(data)
		data = data[2:]
		for ; parts > 0; parts-- {
			data = data[4+binary.BigEndian.Uint32(data):]
		}
	}
	return leaves, nil
}

// wholeTree builds the log with tlog, compares its root, and proves the inclusion of every leaf.
func wholeTree(log string, leaves [][]byte, tree tlog.Tree) error {
	var stored hashes
	for i, leaf := range leaves {
		more, err := tlog.StoredHashes(int64(i), leaf, stored)
		if err != nil {
			return err
		}
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(int64(len(leaves)), stored)
	if err != nil {
		return err
	}
	if int64(len(leaves)) != tree.N || root != tree.Hash {
		return fmt.Errorf("%s: %d leaves give %v, the checkpoint says %d, %v", log, len(leaves), root, tree.N, tree.Hash)
	}
	for i, leaf := range leaves {
		proof, err := tlog.ProveRecord(tree.N, int64(i), stored)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, int64(i), tlog.RecordHash(leaf)); err != nil {
			return fmt.Errorf("%s: leaf %d: %w", log, i, err)
		}
	}
	fmt.Printf("%s: root and inclusion of %d leaves\n", log, len(leaves))
	return nil
}

// consistency checks the bundle's own proofs from checkpoints that the control log holds.
func consistency(bundle string, control [][]byte, tree tlog.Tree) error {
	roots := map[int64]string{}
	for _, leaf := range control {
		var found entry
		if err := json.Unmarshal(leaf[12:len(leaf)-64], &found); err != nil {
			return err
		}
		var sealed struct {
			Size int64
			Root string
		}
		if found.Kind == "checkpoint" && json.Unmarshal(found.Body, &sealed) == nil {
			roots[sealed.Size] = sealed.Root
		}
	}
	text, err := os.ReadFile(filepath.Join(bundle, "data/proofs.json"))
	if err != nil {
		return err
	}
	var found proofs
	if err := json.Unmarshal(text, &found); err != nil {
		return err
	}
	for _, path := range found.Checkpoints {
		var proof tlog.TreeProof
		for _, item := range path.Hashes {
			hash, err := parse(item)
			if err != nil {
				return err
			}
			proof = append(proof, hash)
		}
		old, err := parse(roots[path.Old])
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, path.New, tree.Hash, path.Old, old); err != nil {
			return fmt.Errorf("consistency from %d to %d: %w", path.Old, path.New, err)
		}
		fmt.Printf("data: consistency from %d to %d\n", path.Old, path.New)
	}
	return nil
}

func parse(text string) (tlog.Hash, error) {
	var hash tlog.Hash
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(hash) {
		return hash, fmt.Errorf("'%s' is no hash", text)
	}
	copy(hash[:], raw)
	return hash, nil
}
