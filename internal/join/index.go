package join

import (
	"math/bits"
	"math/rand/v2"
)

const (
	subtableBits = 6
	subtables    = 1 << subtableBits
	groupSlots   = 8
	groupFull    = 7 // slots of a group that are in use, on average, when a subtable is full
)

// Tags of slots that are not in use: empty, or left, where a search must go on.
const (
	tagEmpty = 0
	tagLeft  = 1
)

// index finds rows by id. It has one slot for the rows of an id in a chunk: the place of the last one. Subtables grow on
// their own, each by another factor, so that none takes long and they take turns. Where an id belongs
// depends on random numbers, so that nobody can choose ids that all belong to one place.
type index struct {
	subtables [subtables]subtable
	seed      uint64
	factor    uint64
}

// subtable is a table with open addressing, in groups of slots.
type subtable struct {
	groups []group
	live   int // slots in use
	left   int
}

// group has a byte of the hash and the row's place for each slot.
type group struct {
	tags   uint64
	places [groupSlots]uint32
}

func newIndex() index { return index{seed: rand.Uint64(), factor: rand.Uint64() | 1} }

func (x *index) hash(id uint64) uint64 {
	hi, lo := bits.Mul64(id^x.seed, x.factor)
	return hi ^ lo
}

// of returns the subtable of a hash.
func (x *index) of(hash uint64) *subtable { return &x.subtables[hash>>(64-subtableBits)] }

func tagOf(hash uint64) uint64 { return max(hash&0xff, tagLeft+1) }

// home is the group where a hash belongs.
func (s *subtable) home(hash uint64) int {
	g, _ := bits.Mul64(hash<<subtableBits, uint64(len(s.groups)))
	return int(g)
}

func (s *subtable) following(g int) int {
	if g++; g < len(s.groups) {
		return g
	}
	return 0
}

const ones = 0x0101010101010101

// zeros has the top bit of each byte of x that is 0, and perhaps of such above one.
func zeros(x uint64) uint64 { return (x - ones) &^ x & (ones << 7) }

// with finds slots with a tag, and perhaps others.
func (g *group) with(tag uint64) uint64 { return zeros(g.tags ^ tag*ones) }

// slotOf returns the number of the first slot found, and forgets it.
func slotOf(found *uint64) int {
	i := bits.TrailingZeros64(*found) / 8
	*found &= *found - 1
	return i
}

func (g *group) tag(i int) uint64 { return g.tags >> (8 * i) & 0xff }

func (g *group) set(i int, tag uint64) { g.tags = g.tags&^(0xff<<(8*i)) | tag<<(8*i) }

func (g *group) hasEmpty() bool { return zeros(g.tags) != 0 }

// vacant finds slots that are not in use.
func (g *group) vacant() uint64 { return zeros(g.tags &^ ones) }

// link makes a row of the open chunk be found.
func (t *Table) link(c *chunk, i int, id uint64) {
	hash := t.index.hash(id)
	s := t.index.of(hash)
	if s.live+s.left >= groupFull*len(s.groups) {
		t.resize(s)
	}
	tag := tagOf(hash)
	var to *group
	for n := s.home(hash); ; n = s.following(n) {
		g := &s.groups[n]
		for found := g.with(tag); found != 0; {
			k := slotOf(&found)
			p := g.places[k]
			if p>>chunkBits == c.slot && g.tag(k) == tag && c.id(int(p%chunkRows)) == id {
				c.follow(int(p%chunkRows), i)
				g.places[k] = c.placeOf(i)
				return
			}
		}
		if to == nil && g.vacant() != 0 {
			to = g
		}
		if g.hasEmpty() {
			break
		}
	}
	s.put(to, tag, c.placeOf(i))
}

// put fills a slot of a group that has a vacant one.
func (s *subtable) put(g *group, tag uint64, place uint32) {
	found := g.vacant()
	k := slotOf(&found)
	if g.tag(k) == tagLeft {
		s.left--
	}
	s.live++
	g.set(k, tag)
	g.places[k] = place
}

// first returns the first row by offset with an id and a time from lo to hi; nil: there is none.
func (t *Table) first(id uint64, lo, hi int64) (*chunk, int) {
	hash := t.index.hash(id)
	s := t.index.of(hash)
	if len(s.groups) == 0 {
		return nil, none
	}
	var best *chunk
	row, tag := none, tagOf(hash)
	for n := s.home(hash); ; n = s.following(n) {
		g := &s.groups[n]
		for found := g.with(tag); found != 0; {
			k := slotOf(&found)
			if g.tag(k) != tag {
				continue
			}
			p := g.places[k]
			c := t.slots[p>>chunkBits]
			if c.most < lo || c.least > hi || best != nil && best.number < c.number || c.id(int(p%chunkRows)) != id {
				continue
			}
			if i := c.firstIn(int(p%chunkRows), lo, hi); i != none {
				best, row = c, i
			}
		}
		if g.hasEmpty() {
			return best, row
		}
	}
}

// unlink makes the rows of a chunk be found no more.
func (t *Table) unlink(c *chunk) {
	for i := range c.n {
		if c.lastOfID(i) {
			hash := t.index.hash(c.id(i))
			t.index.of(hash).remove(hash, c.placeOf(i))
		}
	}
	for i := range t.index.subtables {
		if s := &t.index.subtables[i]; len(s.groups) > 1 && 4*s.live < groupFull*len(s.groups) {
			t.resize(s)
		}
	}
}

// remove vacates the slot of a place.
func (s *subtable) remove(hash uint64, place uint32) {
	tag := tagOf(hash)
	for n := s.home(hash); ; n = s.following(n) {
		g := &s.groups[n]
		for found := g.with(tag); found != 0; {
			k := slotOf(&found)
			if g.places[k] != place || g.tag(k) != tag {
				continue
			}
			// While the group has an empty slot no search goes beyond it.
			if g.hasEmpty() {
				g.set(k, tagEmpty)
			} else {
				g.set(k, tagLeft)
				s.left++
			}
			s.live--
			return
		}
		if g.hasEmpty() {
			return
		}
	}
}

// resize makes room for a quarter to three quarters more than there is in a subtable.
func (t *Table) resize(s *subtable) {
	old := s.groups
	s.reserve(float64(s.live+1) * (1.25 + rand.Float64()/2))
	for n := range old {
		g := &old[n]
		for k := range groupSlots {
			if g.tag(k) <= tagLeft {
				continue
			}
			p := g.places[k]
			hash := t.index.hash(t.slots[p>>chunkBits].id(int(p % chunkRows)))
			to := s.home(hash)
			for s.groups[to].vacant() == 0 {
				to = s.following(to)
			}
			s.put(&s.groups[to], g.tag(k), p)
		}
	}
}

// reserve empties the subtable, which will have so many rows before it grows.
func (s *subtable) reserve(rows float64) {
	*s = subtable{groups: make([]group, int(rows/groupFull)+1)}
}

func (x *index) bytes() (n int) {
	const groupBytes = 8 + 4*groupSlots
	for i := range x.subtables {
		n += groupBytes * cap(x.subtables[i].groups)
	}
	return n
}
