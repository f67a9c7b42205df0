package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"clusterctl/corosyncconf"
)

// The files of corosync, and where clusterctl keeps its journal.
const (
	ConfPath   = "/etc/corosync/corosync.conf"
	KeyPath    = "/etc/corosync/authkey"
	JournalDir = "/var/lib/clusterctl"
)

// Plan is what an operation does, step by step. It is plain data: what
// --dry-run prints, what the Executor carries out and what the journal on the
// nodes keeps are this one value.
type Plan struct {
	Command string      `json:"command"` // as the admin would type it
	Cluster string      `json:"cluster"`
	Nodes   []PlanNode  `json:"nodes"`
	Steps   []Step      `json:"steps"`
	Diff    string      `json:"diff"` // of corosync.conf, unified; empty when it is not changed
	Quorum  QuorumRange `json:"quorum"`
	Notes   Problems    `json:"notes,omitempty"` // warnings that the admin should read

	// Changes are what an edit of corosync.conf means, for the admin to read.
	Changes []corosyncconf.Change `json:"-"`

	// Seen is what the plan was made from, by node: the Executor looks again
	// when it has the locks, and refuses when something has changed. Nil: it
	// does not look.
	Seen map[string]Seen `json:"seen,omitempty"`

	// Blobs are the new contents of files by their SHA-256 in hex. They are
	// journalled beside the plan, never inside it: one of them may be the key.
	Blobs map[string][]byte `json:"-"`
}

// PlanNode is a node that takes part, and how it was reached, for those who
// finish or undo the operation from elsewhere.
type PlanNode struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"` // [user@]host[:port], in order of preference
}

// Seen is what a plan relies on of a node.
type Seen struct {
	Conf    string `json:"conf"` // hash of corosync.conf
	Key     string `json:"key"`  // hash of the authkey
	Active  bool   `json:"active"`
	Version uint64 `json:"version"` // that runs
	Quorate bool   `json:"quorate"`
	Members []ID   `json:"-"` // that it sees, sorted; not for the journal, since all of them are many
}

// seen is what a plan relies on of the node that f is of.
func (f *Facts) seen() Seen {
	s := Seen{Conf: f.Conf.Hash, Key: f.Key.Hash}
	if rt := f.Runtime; rt != nil && rt.Err == nil {
		s.Active, s.Quorate = true, rt.Quorum.Quorate
		s.Version, _ = rt.Cmap.Uint("totem.config_version")
		for _, m := range rt.Quorum.Members {
			s.Members = append(s.Members, m.NodeID)
		}
		slices.Sort(s.Members)
	}
	return s
}

// relyOn notes what the plan was made from.
func (p *Plan) relyOn(facts ...*Facts) {
	if p.Seen == nil {
		p.Seen = map[string]Seen{}
	}
	for _, f := range facts {
		p.Seen[f.Node] = f.seen()
	}
}

// QuorumRange is what a plan means for quorum.
type QuorumRange struct {
	Before QuorumPoint `json:"before"`
	Lowest QuorumPoint `json:"lowest"`
	After  QuorumPoint `json:"after"`
}

// QuorumPoint is the quorum at one moment: the votes present, the votes
// expected and the votes needed.
type QuorumPoint struct {
	Votes    int `json:"votes"`
	Expected int `json:"expected"`
	Quorum   int `json:"quorum"`
}

// Class says what a step means for a running cluster.
const (
	ClassPrepare = "prepare" // changes nothing that runs
	ClassSwitch  = "switch"  // puts new files in place; nothing running reads them yet
	ClassReload  = "reload"  // has corosync take new files over while it runs
	ClassStart   = "start"   // starts corosync
	ClassStop    = "stop"    // stops corosync
)

// Step is one thing done to the cluster. The next one begins when it is done,
// and its effect seen.
type Step struct {
	ID    string `json:"id"`
	What  string `json:"what"` // "start corosync"
	Class string `json:"class"`
	Do    Act    `json:"do"`
	Undo  []Act  `json:"undo"` // carried out in this order when this step, or a later one, fails

	// Stands says what is there for good once the next step is begun: what fails
	// from then on is taken back no further than to here. "": nothing is.
	Stands string `json:"stands,omitempty"`
}

// Act is the same operations on some nodes, all at the same time.
type Act struct {
	Nodes []string `json:"nodes"`
	One   bool     `json:"one,omitempty"` // one of the nodes is enough: the first that can
	Ops   []Op     `json:"ops"`
	Conf  string   `json:"conf,omitempty"`  // hash of the configuration that a reload is about to activate
	Waits bool     `json:"waits,omitempty"` // the reload costs quorum unless all votes are there; see View.waiting
	Want  *Want    `json:"want,omitempty"`  // awaited when the operations are done
	Carry []int    `json:"carry,omitempty"` // links of which one must connect all members of Want before a reload takes another away
	Soft  bool     `json:"soft,omitempty"`  // what fails is only warned of
	Force bool     `json:"force,omitempty"` // a reload that is not held back by what it costs
	Leave []ID     `json:"leave,omitempty"` // nodes that are about to be stopped: not begun when quorum needs their votes now
}

// OpKind names what an Op does.
type OpKind string

// The kinds of Op. Each can be repeated without harm, so that an interrupted
// step is simply done, or undone, again.
const (
	OpPut      OpKind = "put"      // install Path with the content of Blob, mode Mode; what was there becomes Path.bak
	OpStage    OpKind = "stage"    // write Blob to Path.new and have corosync test it
	OpSwap     OpKind = "swap"     // Path.new becomes Path, what was there becomes Path.bak; refused when Path is not Base
	OpRestore  OpKind = "restore"  // Path as it was when the operation began; its .new and .bak too. With Unit, not where that did not run then and runs by now
	OpStart    OpKind = "start"    // start Unit
	OpStop     OpKind = "stop"     // stop Unit if it runs; with Name off, and do not start it at boot
	OpEnable   OpKind = "enable"   // start Unit at boot
	OpReset    OpKind = "reset"    // Unit active and enabled as it was when the operation began
	OpBoot     OpKind = "boot"     // Unit enabled as it was when the operation began
	OpAgain    OpKind = "again"    // restart Unit, if the step Name, where there is one, was begun on the node
	OpRevive   OpKind = "revive"   // start Unit if it ran when the operation began
	OpDisable  OpKind = "disable"  // do not start Unit at boot
	OpTest     OpKind = "test"     // have corosync test Blob as Path; without Blob, Path as it is
	OpUnstage  OpKind = "unstage"  // remove Path.new
	OpUnswap   OpKind = "unswap"   // if Path is Base, give it the content of Blob, or what it had when the operation began
	OpAside    OpKind = "aside"    // Path becomes Path.bak
	OpReload   OpKind = "reload"   // have every member read its file
	OpExpect   OpKind = "expect"   // tell the partition to expect N votes
	OpVotes    OpKind = "votes"    // give the member with node id N the votes Name until the next reload; nothing if it is none
	OpForget   OpKind = "forget"   // have pacemaker forget the node Name with node id N
	OpOnline   OpKind = "online"   // wait until pacemaker has joined that of the others
	OpIDs      OpKind = "ids"      // remember that cluster Name has used node ids up to N and config_versions up to Version
	OpWrite    OpKind = "write"    // write Blob to Path.new, mode Mode
	OpRekey    OpKind = "rekey"    // refuse when the corosync that runs takes a new key only when it starts
	OpReread   OpKind = "reread"   // have corosync run its file, with the key Blob of Path: node id N asks for a reload at once, another when that has not reached it
	OpReach    OpKind = "reach"    // see that each of the addresses Name answers
	OpPublish  OpKind = "publish"  // put Blob into /etc/pve, if the node has it as its file; refused when what is there is not Base
	OpShare    OpKind = "share"    // put Blob into /etc/pve as Path; refused when what is there is not Base, or, with Name back, left alone
	OpPmxcfs   OpKind = "pmxcfs"   // restart pmxcfs: with its database (Name keep) or without (fresh), until /etc/pve/corosync.conf is Blob; out of the cluster (alone); or as it was (back); or only end it (off)
	OpWritable OpKind = "writable" // wait until /etc/pve can be written
	OpPurge    OpKind = "purge"    // keep /etc/pve/nodes/Name in PurgedDir, and remove it; refused when it has guests
	OpOwe      OpKind = "owe"      // remember that the nodes Name, which left, still have the key Blob
	OpQuiet    OpKind = "quiet"    // stop Unit, of Proxmox VE's HA, when it has frozen its guests
	OpRouse    OpKind = "rouse"    // start Unit, of Proxmox VE's HA, if it ran when the operation began
	OpDisarmed OpKind = "disarmed" // refuse while someone has the watchdog reset the node
)

// Op is one action on one node.
type Op struct {
	Kind OpKind `json:"kind"`
	Path string `json:"path,omitempty"`
	Blob string `json:"blob,omitempty"` // SHA-256 in hex
	Base string `json:"base,omitempty"` // SHA-256 in hex, or Absent
	Mode string `json:"mode,omitempty"` // octal, as for chmod
	Unit string `json:"unit,omitempty"`
	Name string `json:"name,omitempty"`
	N    uint32 `json:"n,omitempty"`

	Version uint64 `json:"version,omitempty"`
}

// shares tells whether it writes to /etc/pve, by pmxcfs.
func (o Op) shares() bool { return o.Kind == OpPublish || o.Kind == OpShare }

// Absent stands for the hash of a file that does not exist.
const Absent = "absent"

// Want is a state of the cluster that a step waits for.
type Want struct {
	Members  []Member      `json:"members"`            // each of them sees each of them
	Exactly  bool          `json:"exactly,omitempty"`  // and nobody else
	Gone     []ID          `json:"gone,omitempty"`     // none of them sees these
	Quorate  bool          `json:"quorate"`            // each of them is quorate
	Links    []int         `json:"links,omitempty"`    // each is connected to each on these links
	Soft     bool          `json:"soft,omitempty"`     // links that stay down are only warned of
	Most     bool          `json:"most,omitempty"`     // so are members that stay away, if the others are quorate
	Version  uint64        `json:"version,omitempty"`  // the config_version that each runs, after a reload without complaint
	Expected int           `json:"expected,omitempty"` // votes that each expects
	Later    bool          `json:"later,omitempty"`    // a higher config_version than Version is as good
	Cmap     []CmapValue   `json:"cmap,omitempty"`     // what each runs with
	Deadline time.Duration `json:"deadline"`           // nanoseconds
}

// Member is a node of a membership.
type Member struct {
	Name string `json:"name"`
	ID   ID     `json:"id"`
}

// ID is a corosync node id.
type ID = uint32

// Hash returns the SHA-256 of data in hex, the form in which plans name content.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// blob adds data to the plan and returns its name.
func (p *Plan) blob(data []byte) string {
	if p.Blobs == nil {
		p.Blobs = map[string][]byte{}
	}
	h := Hash(data)
	p.Blobs[h] = data
	return h
}

// NodeNames returns the names of the nodes that take part.
func (p *Plan) NodeNames() []string {
	names := make([]string, len(p.Nodes))
	for i, n := range p.Nodes {
		names[i] = n.Name
	}
	return names
}

// Version is the config_version that the plan ends with; 0 when it reloads none.
func (p *Plan) Version() uint64 {
	version := uint64(0)
	for _, s := range p.Steps {
		if s.Do.Want != nil {
			version = max(version, s.Do.Want.Version)
		}
	}
	return version
}

// wasQuorate tells whether the cluster had quorum when the plan was made.
func (p *Plan) wasQuorate() bool {
	for _, was := range p.Seen {
		if was.Quorate {
			return true
		}
	}
	return false
}

// StopsAll tells whether at some moment corosync runs on no node.
func (p *Plan) StopsAll() bool { return p.Quorum.Before.Votes > 0 && p.Quorum.Lowest.Votes == 0 }

// Starts tells whether the plan starts corosync.
func (p *Plan) Starts() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Class == ClassStart })
}

// from is the index of the first step that is undone when the one with index
// last was begun: those before it stand. stood says what they came to.
func (p *Plan) from(last int) (first int, stood string) {
	for i := last - 1; i >= 0; i-- {
		if s := p.Steps[i].Stands; s != "" {
			return i + 1, s
		}
	}
	return 0, ""
}

// needsBlobs tells whether the plan gives any node new contents.
func (p *Plan) needsBlobs() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool {
		return slices.ContainsFunc(append([]Act{s.Do}, s.Undo...), func(a Act) bool {
			return slices.ContainsFunc(a.Ops, func(o Op) bool { return o.Blob != "" })
		})
	})
}

// blobsFor returns the new contents that a node's own operations need. It gets
// no others: a node that leaves must not be handed the key that the rest
// changes to.
func (p *Plan) blobsFor(node string) map[string][]byte {
	blobs := map[string][]byte{}
	for _, s := range p.Steps {
		for _, act := range append([]Act{s.Do}, s.Undo...) {
			if !slices.Contains(act.Nodes, node) {
				continue
			}
			for _, op := range act.Ops {
				if data, ok := p.Blobs[op.Blob]; ok {
					blobs[op.Blob] = data
				}
			}
		}
	}
	return blobs
}

// Rekeys tells whether the plan changes the key of a cluster that runs.
func (p *Plan) Rekeys() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return slices.ContainsFunc(s.Do.Ops, func(o Op) bool { return o.Kind == OpReread }) })
}

// touched returns the files and units that the plan may change on a node: what
// has to be saved before it begins.
func (p *Plan) touched(node string) (paths, units []string) {
	seen := map[string]bool{}
	add := func(list *[]string, s string) {
		if s != "" && !seen[s] {
			seen[s] = true
			*list = append(*list, s)
		}
	}
	for _, s := range p.Steps {
		for _, act := range append([]Act{s.Do}, s.Undo...) {
			if !slices.Contains(act.Nodes, node) {
				continue
			}
			for _, op := range act.Ops {
				if !op.shares() { // what is replaced there is kept beside it
					add(&paths, op.Path)
				}
				add(&units, op.Unit)
			}
		}
	}
	return paths, units
}
