package join

import (
	"math/bits"
	"math/rand/v2"
)

const (
	// subtableRows is with how many rows in use a subtable is split when it is full: some milliseconds of work.
	subtableRows = 1 << 14
	// maxDepth bounds the splits: rows of one id stay together.
	maxDepth   = 16
	groupSlots = 8
	groupFull  = 7 // slots of a group that are in use, on average, when a subtable is full
)

// Tags of slots that are not in use: empty, or left, where a search must go on.
const (
	tagEmpty = 0
	tagLeft  = 1
)

// index finds rows by id. It has one slot for the rows of an id in a chunk: the place of the last one. It grows by
// subtables, each by another factor, so that none takes long and they take turns. Where an id belongs
// depends on random numbers, so that nobody can choose ids that all belong to one place.
type index struct {
	// directory has the subtable for the first depth bits of a hash.
	directory []*subtable
	depth     uint8
	seed      uint64
	factor    uint64
}

// subtable is a table with open addressing, in groups of slots.
type subtable struct {
	depth  uint8 // so many bits all hashes have in common
	groups []group
	live   int // slots in use
	left   int
}

// group has a byte of the hash and the row's place for each slot.
type group struct {
	tags   uint64
	places [groupSlots]uint32
}

// newIndex returns an index that has room for so many rows.
func newIndex(rows int) index {
	x := index{seed: rand.Uint64(), factor: rand.Uint64() | 1}
	for rows>>x.depth > subtableRows/2 && x.depth < maxDepth {
		x.depth++
	}
	for range 1 << x.depth {
		s := &subtable{depth: x.depth}
		s.reserve(rows >> x.depth)
		x.directory = append(x.directory, s)
	}
	return x
}

func (x *index) hash(id uint64) uint64 {
	hi, lo := bits.Mul64(id^x.seed, x.factor)
	return hi ^ lo
}

// of returns the subtable of a hash.
func (x *index) of(hash uint64) *subtable { return x.directory[hash>>(64-x.depth)] }

// subtables calls f for each.
func (x *index) subtables(f func(s *subtable)) {
	for i := 0; i < len(x.directory); {
		s := x.directory[i]
		f(s)
		i += 1 << (x.depth - s.depth)
	}
}

func tagOf(hash uint64) uint64 { return max(hash&0xff, tagLeft+1) }

// home is the group where a hash belongs.
func (s *subtable) home(hash uint64) int {
	g, _ := bits.Mul64(hash<<s.depth, uint64(len(s.groups)))
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
		s = t.grow(s, hash)
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
	t.index.subtables(func(s *subtable) {
		if len(s.groups) > 1 && 4*s.live < groupFull*len(s.groups) {
			t.resize(s)
		}
	})
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

// grow makes room in the subtable of a hash, and returns the one that is that then.
func (t *Table) grow(s *subtable, hash uint64) *subtable {
	if s.live < subtableRows || s.depth == maxDepth {
		t.resize(s)
		return s
	}
	x := &t.index
	if s.depth == x.depth {
		double := make([]*subtable, 0, 2*len(x.directory))
		for _, s := range x.directory {
			double = append(double, s, s)
		}
		x.directory, x.depth = double, x.depth+1
	}
	var halves [2][]linked
	for _, l := range t.linked(s) {
		half := l.hash >> (63 - s.depth) & 1
		halves[half] = append(halves[half], l)
	}
	span := 1 << (x.depth - s.depth)
	start := int(hash>>(64-x.depth)) &^ (span - 1)
	for half, rows := range halves {
		to := &subtable{depth: s.depth + 1}
		to.fill(rows)
		for i := range span / 2 {
			x.directory[start+half*span/2+i] = to
		}
	}
	return x.of(hash)
}

// resize makes the subtable as large as suits what is in it.
func (t *Table) resize(s *subtable) { s.fill(t.linked(s)) }

// linked is a row in the index.
type linked struct {
	hash  uint64
	place uint32
}

// linked returns the rows of a subtable.
func (t *Table) linked(s *subtable) []linked {
	rows := make([]linked, 0, s.live)
	for n := range s.groups {
		g := &s.groups[n]
		for k := range groupSlots {
			if g.tag(k) > tagLeft {
				p := g.places[k]
				rows = append(rows, linked{t.index.hash(t.slots[p>>chunkBits].id(int(p % chunkRows))), p})
			}
		}
	}
	return rows
}

// fill makes the subtable have these rows.
func (s *subtable) fill(rows []linked) {
	s.reserve(len(rows))
	for _, l := range rows {
		to := s.home(l.hash)
		for s.groups[to].vacant() == 0 {
			to = s.following(to)
		}
		s.put(&s.groups[to], tagOf(l.hash), l.place)
	}
}

// reserve empties the subtable, which will have room for a quarter to three quarters more than so many rows.
func (s *subtable) reserve(rows int) {
	n := int(float64(rows+1)*(1.25+rand.Float64()/2))/groupFull + 1
	*s = subtable{depth: s.depth, groups: make([]group, n)}
}

func (x *index) bytes() int {
	const subtableBytes, groupBytes = 48, 8 + 4*groupSlots
	n := 8 * cap(x.directory)
	x.subtables(func(s *subtable) { n += subtableBytes + groupBytes*cap(s.groups) })
	return n
}
