package eval

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
)

const (
	// maxScores is the number of distinct scores that are kept as they are.
	maxScores = 1024
	// maxMass is far more than an entry can have.
	maxMass = 1 << 60
)

var errDamaged = errors.New("damaged")

// mass is what an entry of a scores has of each class: negatives and positives.
type mass [2]uint64

// scores counts negatives and positives by their score: by each distinct score up to 1,024 of them, by the 1,024
// bins of a fixed grid beyond that (see bin). So the state is a function of the multiset of scores alone,
// whatever the order and partitioning.
type scores struct {
	values []float64 // the distinct scores in order of arrival; none if binned
	masses []mass    // of each of values, or of each bin
	index  []uint16  // open addressing by a hash of the score: 1 + its place in values, 0 is free
	binned bool
}

// add adds to what a finite score has.
func (h *scores) add(x float64, negatives, positives uint64) {
	x += 0 // −0 becomes 0
	var m *mass
	if h.binned {
		m = &h.masses[bin(x)]
	} else if i := h.place(x); i >= 0 {
		m = &h.masses[i]
	} else {
		m = h.insert(x)
	}
	m[0] += negatives
	m[1] += positives
}

// place returns where a score is in values, -1 if it is not there.
func (h *scores) place(x float64) int {
	if len(h.index) == 0 {
		return -1
	}
	for i := h.home(x); ; i++ {
		at := h.index[i&(len(h.index)-1)]
		if at == 0 {
			return -1
		}
		if h.values[at-1] == x {
			return int(at - 1)
		}
	}
}

// home is where the search for a score begins.
func (h *scores) home(x float64) int {
	return int(math.Float64bits(x)*0x9e3779b97f4a7c15>>52) & (len(h.index) - 1)
}

// insert makes an entry for a score that has none.
func (h *scores) insert(x float64) *mass {
	if len(h.values) == maxScores {
		h.toBins()
		return &h.masses[bin(x)]
	}
	h.values, h.masses = append(h.values, x), append(h.masses, mass{})
	if 2*len(h.values) > len(h.index) {
		h.index = make([]uint16, max(2*len(h.index), 16))
		for i := range h.values {
			h.link(i)
		}
	} else {
		h.link(len(h.values) - 1)
	}
	return &h.masses[len(h.masses)-1]
}

// link makes the i-th score found.
func (h *scores) link(i int) {
	at := h.home(h.values[i])
	for h.index[at] != 0 {
		at = (at + 1) & (len(h.index) - 1)
	}
	h.index[at] = uint16(i + 1)
}

// toBins gives up the scores for the bins that they are in.
func (h *scores) toBins() {
	if h.binned {
		return
	}
	masses := make([]mass, bins)
	for i, x := range h.values {
		m := &masses[bin(x)]
		m[0] += h.masses[i][0]
		m[1] += h.masses[i][1]
	}
	*h = scores{masses: masses, binned: true}
}

// merge adds o.
func (h *scores) merge(o *scores) {
	if !o.binned {
		for i, x := range o.values {
			h.add(x, o.masses[i][0], o.masses[i][1])
		}
		return
	}
	h.toBins()
	for i, m := range o.masses {
		h.masses[i][0] += m[0]
		h.masses[i][1] += m[1]
	}
}

// total returns the mass of all entries.
func (h *scores) total() (n uint64) {
	for _, m := range h.masses {
		n += m[0] + m[1]
	}
	return n
}

// clone returns an independent copy.
func (h *scores) clone() scores {
	return scores{slices.Clone(h.values), slices.Clone(h.masses), slices.Clone(h.index), h.binned}
}

// bytes returns the heap memory in use.
func (h *scores) bytes() int { return 8*cap(h.values) + 16*cap(h.masses) + 2*cap(h.index) }

// rising returns the places of values in the order of the scores.
func (h *scores) rising() []uint16 {
	keys, order := make([]uint64, len(h.values)), make([]uint16, len(h.values))
	for i, x := range h.values {
		keys[i] = sortable(x)
	}
	slices.Sort(keys) // several times as fast as places by what they refer to
	for i, k := range keys {
		order[i] = uint16(h.place(unsortable(k)))
	}
	return order
}

const sign = 1 << 63

// sortable returns bits of a finite number that rise with it.
func sortable(x float64) uint64 {
	b := math.Float64bits(x)
	if b&sign != 0 {
		return ^b
	}
	return b | sign
}

func unsortable(b uint64) float64 {
	if b&sign != 0 {
		return math.Float64frombits(b &^ sign)
	}
	return math.Float64frombits(^b)
}

// appendBinary appends the binary form: the same bytes for the same scores in any order and partitioning.
func (h *scores) appendBinary(b []byte) []byte {
	if h.binned {
		return h.appendBins(append(b, 1))
	}
	b = binary.AppendUvarint(append(b, 0), uint64(len(h.values)))
	for _, i := range h.rising() {
		b = appendFloat(b, h.values[i])
		b = appendMass(b, h.masses[i])
	}
	return b
}

// appendBins appends the bins that are not empty, each with how many empty ones are before it.
func (h *scores) appendBins(b []byte) []byte {
	filled := uint64(0)
	for _, m := range h.masses {
		if m != (mass{}) {
			filled++
		}
	}
	b = binary.AppendUvarint(b, filled)
	gap := uint64(0)
	for _, m := range h.masses {
		if m == (mass{}) {
			gap++
			continue
		}
		b = appendMass(binary.AppendUvarint(b, gap), m)
		gap = 0
	}
	return b
}

// readBinary reads what appendBinary wrote into an empty h.
func (h *scores) readBinary(d *sketch.Decoder) {
	switch d.Byte() {
	case 0:
		h.readValues(d)
	case 1:
		h.readBins(d)
	default:
		d.Fail(errDamaged)
	}
}

func (h *scores) readValues(d *sketch.Decoder) {
	n := d.Length(8 + 2)
	if n > maxScores {
		d.Fail(errDamaged)
	}
	last := math.Inf(-1)
	for range n {
		x, m := d.Float(), readMass(d)
		if x <= last || x == 0 && math.Signbit(x) {
			d.Fail(errDamaged)
		}
		if d.Err() != nil {
			return
		}
		*h.insert(x) = m
		last = x
	}
}

func (h *scores) readBins(d *sketch.Decoder) {
	n, at := d.Length(3), uint64(0)
	h.toBins()
	for range n {
		at += min(d.Uvarint(), bins)
		m := readMass(d)
		if at >= bins {
			d.Fail(errDamaged)
		}
		if d.Err() != nil {
			return
		}
		h.masses[at] = m
		at++
	}
}

func appendMass(b []byte, m mass) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, m[0]), m[1])
}

// readMass reads the mass of an entry, which is never nothing.
func readMass(d *sketch.Decoder) mass {
	m := mass{d.Uvarint(), d.Uvarint()}
	if m == (mass{}) || m[0] > maxMass || m[1] > maxMass {
		d.Fail(errDamaged)
	}
	return m
}

func appendFloat(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
}
