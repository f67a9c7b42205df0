package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"clusterctl/corosyncconf"
)

// Sizes of an authkey in bytes. corosync 3 takes MinKeySize to MaxKeySize
// (KNET_MIN_KEY_LEN, KNET_MAX_KEY_LEN); KeySize is what corosync-keygen writes.
const (
	KeySize    = 256
	MinKeySize = 128
	MaxKeySize = 4096
)

// rejoinTime is how long a member may take to come back that the others lost
// when they took a new key, and that has the key too; see PlanRotate.
const rejoinTime = 20 * time.Second

// OwedPath is where a node remembers that nodes which left still have the
// cluster's key: the key's hash, and their names on the next line.
const OwedPath = JournalDir + "/keyowed"

// NewKey makes a random authkey of size bytes. The error, if any, is Problems:
// corosync takes no key of that size.
func NewKey(size int) ([]byte, error) {
	if size < MinKeySize || size > MaxKeySize {
		var ps Problems
		ps.add(CodeBadOption, "", fmt.Sprintf("use %d to %d, or leave it out for %d", MinKeySize, MaxKeySize, KeySize), "a key of %d bytes: corosync does not take it", size)
		return nil, ps
	}
	key := make([]byte, size)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

// CheckKeyFile refuses a key file of this machine that is there already, unless
// force is given.
func CheckKeyFile(path string, force bool) error {
	var ps Problems
	if _, err := os.Stat("/run/corosync.pid"); err == nil && filepath.Clean(path) == KeyPath && IsMember(ConfPath) {
		ps.add(CodeKeyExists, "", "clusterctl key rotate gives all nodes a new one", "corosync runs with %s here: the next reload would cut this node off", path)
		return ps
	}
	if _, err := os.Lstat(path); err != nil || force {
		return nil
	}
	ps.add(CodeKeyExists, "", fmt.Sprintf("--force keeps it as %s.bak; for the key of a cluster that runs: clusterctl key rotate", path), "%s exists already", path)
	return ps
}

// WriteKey writes a key to a file of this machine, mode 0400. A file that is
// there becomes path.bak.
func WriteKey(path string, key []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".authkey-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // not there any more when all went well
	if _, err = tmp.Write(key); err == nil {
		err = tmp.Chmod(0o400)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = setAside(path)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if dir, derr := os.Open(filepath.Dir(path)); err == nil && derr == nil { // Windows has no directories to open
		_ = dir.Sync()
		_ = dir.Close()
	}
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	return nil
}

// setAside makes path.bak of a file that is there, which stays until it is replaced.
func setAside(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Remove(path + ".bak"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Link(path, path+".bak")
}

// PlanRotate plans that a running cluster changes its key. The error, if any,
// is Problems.
//
// Every node gets the new key beside the old one, then in its place, and one
// reload has all members take it: each first decrypts with both keys, then
// encrypts with the new one, then drops the old (exec/cfg.c of corosync 3.1,
// message_handler_req_exec_cfg_reconfig_crypto). A member whose reload fails
// breaks the ring for all of them, so whatever a reload reads is tested on every
// node first, and a node that is away is waited for, never left behind.
//
// The members do not wait for each other in that: one that reads its files a
// moment later than the others misses what they send with the new key already.
// Its own word to change over then waits behind what it missed, and that it asks
// for only at the fifth token (miss_count_const): by then the others have dropped
// the old key, with which it still sends. So the configuration that comes with
// the key has it ask at the first, and one more reload sets that back.
//
// Should a member fall out all the same, it has the key too, and comes back by
// itself when the token timeout and the consensus are over; that is waited for,
// since taking the key back would part them once more.
func PlanRotate(key []byte, v *View) (*Plan, error) {
	var all, ps Problems
	v.settled(&all, false)
	for _, p := range all {
		if p.Code != CodeOwed { // that is said below: here nothing may be owed
			ps = append(ps, p)
		}
	}
	for _, n := range v.rekeyable(&ps, nil) {
		p := NodeProblem(n.Name, n.Err)
		p.Message = "a new key would lock it out, and it cannot be reached: " + p.Message
		p.Remedy = "bring it back first, or, if it is dead: clusterctl delnode --offline " + n.Name
		ps = append(ps, p)
	}
	if err := ps.err(); err != nil {
		return nil, err
	}
	return counted(func(rollouts int) (*rollout, error) {
		p := v.plan()
		p.Notes = ps
		r := newRollout(v, p, rollouts)
		return r, r.rekey(key)
	})
}

// rekeyable checks that the cluster without the nodes that leave can change its
// key while it runs. It returns those of the others that have to come back first.
func (v *View) rekeyable(ps *Problems, leaving []*ViewNode) (away []*ViewNode) {
	conf := v.config()
	switch {
	case !conf.Totem.Encrypted() || conf.Totem.Transport != "knet" && release(v.reached()) != corosyncconf.V24:
		ps.add(CodeKeyUnused, "", "encryption is crypto_cipher and crypto_hash in the totem section, with transport knet", "the cluster does not encrypt, so no key is in use")
		return nil
	case conf.Totem.KeyFile != KeyPath:
		ps.add(CodeKeyElsewhere, "", "change it by hand, on all nodes, and reload", "totem.keyfile says that the key is %s; only %s is changed", conf.Totem.KeyFile, KeyPath)
		return nil
	case v.keyInConf():
		ps.add(CodeKeyElsewhere, "", "move it to "+KeyPath+" on every node first", "the key stands in corosync.conf itself, as totem.key")
		return nil
	}
	var old Version // the oldest
	for i := range v.Nodes {
		n := &v.Nodes[i]
		switch {
		case n.Conf == nil || among(leaving, n.Name):
		case n.Facts == nil:
			away = append(away, n)
		case n.Facts.Corosync.Compare(Version{3, 1, 0}) < 0:
			if old.Major == 0 || n.Facts.Corosync.Compare(old) < 0 {
				old = n.Facts.Corosync
			}
		case !n.Facts.Key.Exists:
			ps.add(CodeKeyDrift, n.Name, "copy it from another node, mode 0400", "it has no %s", KeyPath)
		}
	}
	if old.Major > 0 {
		ps.add(CodeVersion, "", "clusterctl stop --all, then a new key on every node, then clusterctl start --all", "corosync %s takes a new key only when it starts", old)
	}
	return away
}

// missCount is after how many tokens a member asks for a message that it missed,
// while the key changes: at once.
const missCount = "1"

// rekey plans that all nodes change the key, and with it the configuration, if
// only its version: that is how a member that has taken the key is told from
// one that has not.
func (r *rollout) rekey(key []byte) error {
	old, is := r.keyHash(), r.plan.blob(key)
	before := r.conf
	hasty := len(r.members) > 1
	if err := r.next("change the key", func(f *corosyncconf.File) error {
		if !hasty {
			return nil
		}
		return f.Root().Section("totem").Set("miss_count_const", missCount)
	}); err != nil {
		return err
	}
	stage, swap := r.step("stage"), r.step("swap")
	keep := Op{Kind: OpRestore, Path: KeyPath}

	stage.What = "write a new key beside the old one, and test that it can be taken"
	stage.Do.Ops = append([]Op{{Kind: OpWrite, Path: KeyPath, Blob: is, Base: old, Mode: "0400"}}, stage.Do.Ops...)
	stage.Undo[0].Ops = append(stage.Undo[0].Ops, Op{Kind: OpUnstage, Path: KeyPath})

	// The key comes last: a node that is started in between joins with the old one.
	swap.What = "put it in place"
	swap.Do.Ops = append(swap.Do.Ops, Op{Kind: OpSwap, Path: KeyPath, Blob: is, Base: old}, Op{Kind: OpTest, Path: ConfPath})
	swap.Undo[0].Ops = append([]Op{keep}, swap.Undo[0].Ops...)
	if len(r.members) == 0 {
		return nil
	}
	reread := func(key string) []Op { return []Op{{Kind: OpReread, Path: KeyPath, Blob: key, N: r.members[0].ID}} }

	stage.Do.Ops = append([]Op{{Kind: OpRekey}}, stage.Do.Ops...)
	stage.Do.Want = r.want(before) // a member that is not there now would miss the reload

	reload := r.step("reload")
	reload.What = "reload: have all members take it"
	reload.Do.One, reload.Do.Ops, reload.Do.Want.Deadline = false, reread(is), rejoinTime
	// Not guarded: when members have fallen out, this is what brings them back.
	back := &swap.Undo[slices.IndexFunc(swap.Undo, func(a Act) bool { return a.Conf != "" })]
	back.One, back.Conf, back.Ops = false, "", reread(old)

	// Each member looked for the token when it had the key itself, which may be
	// before another one has: now that all do, it has to come round once more.
	r.plan.Steps = append(r.plan.Steps, Step{
		ID: r.id("token"), What: "see that all members hear each other with it", Class: ClassPrepare,
		Do: Act{Nodes: membersOf(r.members), Ops: reread(is), Want: reload.Do.Want},
	})
	if !hasty {
		return nil
	}
	return r.replace("set miss_count_const back", before.Clone())
}

// keyInConf tells whether the key stands in corosync.conf itself.
func (v *View) keyInConf() bool {
	return slices.ContainsFunc(v.Conf.Root().Sections("totem"), func(s *corosyncconf.Section) bool { _, there := s.Get("key"); return there })
}

// keyHash is the hash of the key that all nodes have.
func (r *rollout) keyHash() string {
	return r.view.Nodes[r.view.find(r.nodes[0])].Facts.Key.Hash
}

// lockOutByKey plans, after nodes have left, that a copy of the key which they
// have is worth nothing. What stands in the way is a warning: the nodes leave
// all the same, and the cluster remembers that it owes itself a new key.
func (d *deleting) lockOutByKey(key []byte) error {
	leaving := append(slices.Clone(d.down), d.alive...)
	names := andList(viewNames(leaving))
	var ps Problems
	away := viewNames(d.v.rekeyable(&ps, leaving))
	for _, p := range ps {
		if p.Code != CodeKeyUnused {
			d.plan.Notes.warn(CodeKeyOwed, p.Node, p.Remedy, "the key stays the one that %s %s: %s", names, theirs(len(leaving), "has", "have"), p.Message)
		}
	}
	if len(ps) > 0 {
		return nil
	}
	d.plan.Steps = append(d.plan.Steps, Step{
		ID: "owe", What: "remember that " + names + " still " + theirs(len(leaving), "has", "have") + " the key", Class: ClassPrepare,
		Do:     Act{Nodes: d.roll.nodes, Ops: []Op{{Kind: OpOwe, Path: OwedPath, Blob: d.roll.keyHash(), Name: strings.Join(viewNames(leaving), " ")}}},
		Undo:   []Act{{Nodes: d.roll.nodes, Ops: []Op{{Kind: OpRestore, Path: OwedPath}}}},
		Stands: d.out(),
	})
	if len(away) == 0 {
		return d.roll.rekey(key)
	}
	d.plan.Notes.warn(CodeKeyOwed, "", "clusterctl key rotate, when "+andList(away)+" "+theirs(len(away), "is", "are")+" back",
		"the key stays the one that %s %s, since %s %s away", names, theirs(len(leaving), "has", "have"), andList(away), theirs(len(away), "is", "are"))
	return nil
}

// KeyOwed is a debt of a cluster: nodes left with the key that has this hash. It
// is paid as soon as the key is another.
type KeyOwed struct {
	Hash  string
	Nodes []string
}

// owedTo lists the nodes that left with the key which the cluster still has.
func owedTo(v *View) []string {
	var gone []string
	for _, f := range v.reached() {
		if f.Key.Exists && f.Owed.Hash == f.Key.Hash {
			gone = append(gone, f.Owed.Nodes...)
		}
	}
	slices.Sort(gone)
	return slices.Compact(gone)
}
