package sim

import (
	"errors"
	"math/rand/v2"
	"path"
	"slices"
)

var errFull = errors.New("the disk is full: No space left on device")

// inode is a file. What is on the platter may be behind what processes see.
type inode struct {
	data  string
	saved string // what is on the platter
	mode  uint32
	entry *entry // a folder of the journal, which is kept as a whole
}

func (i *inode) dirty() bool { return i != nil && i.data != i.saved }

// rename is one change of a folder: a name that goes, and one that comes.
type rename struct {
	gone string
	name string
	to   *inode
}

// disk keeps files by their full names. As POSIX has it, the content of a file
// is safe when the file was flushed, and its name when the folder was. What was
// not flushed may be lost in a crash: of a folder's changes the last ones, of a
// file's content anything.
type disk struct {
	files   map[string]*inode
	safe    map[string]*inode   // the names that are on the platter
	pending map[string][]rename // by folder
	full    bool
}

func newDisk() *disk {
	return &disk{files: map[string]*inode{}, safe: map[string]*inode{}, pending: map[string][]rename{}}
}

func (d *disk) read(name string) (string, bool) {
	if i := d.files[name]; i != nil {
		return i.data, true
	}
	return "", false
}

// put has a file there and safe, as if it had been for long.
func (d *disk) put(name, data string, mode uint32) {
	i := &inode{data: data, saved: data, mode: mode}
	d.files[name], d.safe[name] = i, i
	d.settle(name)
}

// drop has a file not there, and never there.
func (d *disk) drop(name string) {
	delete(d.files, name)
	delete(d.safe, name)
	d.settle(name)
}

// settle forgets what is pending of a name.
func (d *disk) settle(name string) {
	dir := path.Dir(name)
	d.pending[dir] = slices.DeleteFunc(d.pending[dir], func(r rename) bool { return r.gone == name || r.name == name })
}

// write makes or overwrites a file.
func (d *disk) write(name, data string, mode uint32) error {
	if d.full {
		return errFull
	}
	if i := d.files[name]; i != nil {
		i.data, i.mode = data, mode
		return nil
	}
	d.link("", name, &inode{data: data, mode: mode})
	return nil
}

func (d *disk) link(gone, name string, i *inode) {
	if gone != "" {
		delete(d.files, gone)
	}
	if name != "" {
		d.files[name] = i
	}
	dir := path.Dir(gone + name)
	if gone != "" {
		dir = path.Dir(gone)
	}
	d.pending[dir] = append(d.pending[dir], rename{gone, name, i})
}

func (d *disk) rename(from, to string) { d.link(from, to, d.files[from]) }

func (d *disk) remove(name string) {
	if d.files[name] != nil {
		d.link(name, "", nil)
	}
}

// sync flushes a file's content.
func (d *disk) sync(name string) {
	if i := d.files[name]; i != nil {
		i.saved = i.data
	}
}

// syncDir flushes the names in a folder.
func (d *disk) syncDir(dir string) {
	for _, r := range d.pending[dir] {
		d.commit(r)
	}
	delete(d.pending, dir)
}

func (d *disk) commit(r rename) {
	delete(d.safe, r.gone)
	if r.name != "" {
		d.safe[r.name] = r.to
	}
}

// crash is a power cut.
func (d *disk) crash(rng *rand.Rand) {
	for _, dir := range sortedKeys(d.pending) {
		list := d.pending[dir]
		for _, r := range list[:rng.IntN(len(list)+1)] {
			d.commit(r)
		}
	}
	clear(d.pending)
	clear(d.files)
	for _, name := range sortedKeys(d.safe) {
		i := d.safe[name]
		if i.dirty() {
			i.data = i.data[:rng.IntN(len(i.data)+1)]
			if rng.IntN(2) == 0 {
				i.data = i.saved
			}
			i.saved = i.data
		}
		if i.entry != nil {
			i.entry.crash(rng)
		}
		d.files[name] = i
	}
	d.full = false
}
