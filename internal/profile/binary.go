package profile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// setVersion is the version of a set's binary form, its first byte. The first one had no fingerprint.
const (
	setVersion      = 2
	setWithoutPrint = 1
)

// AppendBinary appends the binary form of the set, which need not be sealed: the reference's fingerprint, and
// of each feature its name, its type and its content in a block, so that the set can be read
// into another layout.
func (s *Set) AppendBinary(b []byte) []byte {
	b = sketch.AppendText(append(b, setVersion), s.layout.Fingerprint)
	b = binary.AppendUvarint(b, uint64(len(s.layout.Features)))
	for i := range s.layout.Features {
		f := &s.layout.Features[i]
		b = append(sketch.AppendText(b, f.Name), byte(f.Type))
		start := len(b)
		b = sketch.BeginBlock(b)
		if f.Type == event.Numeric {
			b = s.numeric[f.slot].appendBinary(b)
		} else {
			b = s.categorical[f.slot].appendBinary(b)
		}
		b = sketch.EndBlock(b, start)
	}
	return b
}

// ReadBinary replaces the content of the set by the binary form at the beginning of b and
// returns what follows. A feature that the layout does not have, or has with another
// type, is left out. What was counted in the bins of another reference is forgotten,
// and nothing else of that feature; lost is then called with its name, and with that of a feature of another type. But if
// an older layout has the reference of the form, that becomes the layout of the set.
func (s *Set) ReadBinary(b []byte, older []*Layout, lost func(feature string)) ([]byte, error) {
	d := sketch.NewDecoder(b)
	layout := s.layout
	switch version := d.Byte(); version {
	case setVersion:
		layout = layout.of(d.Text(), older)
	case setWithoutPrint:
	default:
		d.Fail(fmt.Errorf("version %d, want %d or %d", version, setWithoutPrint, setVersion))
	}
	r := NewSet(layout)
	read := map[*FeatureSpec]bool{}
	for range d.Length(6) {
		name, kind, block := d.Text(), event.Type(d.Byte()), d.Block()
		f := layout.find(name, kind)
		if f == nil || d.Err() != nil {
			if d.Err() == nil && (s.layout.find(name, event.Numeric) != nil || s.layout.find(name, event.Categorical) != nil) {
				lost(name) // of another type
			}
			continue
		}
		if read[f] {
			d.Fail(fmt.Errorf("feature %q twice", name))
		}
		read[f] = true
		in := sketch.NewDecoder(block)
		var kept bool
		if kind == event.Numeric {
			kept = r.numeric[f.slot].read(in)
		} else {
			kept = r.categorical[f.slot].read(in)
		}
		if rest, err := in.End("feature " + name); err != nil {
			d.Fail(err)
		} else if len(rest) > 0 {
			d.Fail(fmt.Errorf("feature %q is followed by %d bytes", name, len(rest)))
		} else if !kept {
			lost(name)
		}
	}
	rest, err := d.End("features")
	if err == nil {
		*s = r
	}
	return rest, err
}

// of returns the layout with that reference: l, or an older one if it has it and l has not.
func (l *Layout) of(fingerprint string, older []*Layout) *Layout {
	for _, o := range append([]*Layout{l}, older...) {
		if o.Fingerprint == fingerprint {
			return o
		}
	}
	return l
}

// find returns the feature of the name and type, nil if there is none.
func (l *Layout) find(name string, kind event.Type) *FeatureSpec {
	for i := range l.Features {
		if f := &l.Features[i]; f.Name == name && f.Type == kind {
			return f
		}
	}
	return nil
}

// Flags of a feature's content.
const (
	flagDetailed = 1 << iota
	flagMixed
	flagApart // there is a count of absent values of another reference
)

func flagsOf(detailed, mixed bool, apart uint64) (flags byte) {
	if detailed {
		flags |= flagDetailed
	}
	if mixed {
		flags |= flagMixed
	}
	if apart > 0 {
		flags |= flagApart
	}
	return flags
}

func appendApart(b []byte, apart uint64) []byte {
	if apart == 0 {
		return b
	}
	return binary.AppendUvarint(b, apart)
}

// readApart reads how many of the absent values belong to another reference.
func readApart(d *sketch.Decoder, flags byte, absent uint64) (apart uint64) {
	if flags&flagApart != 0 {
		if apart = d.Count(); apart > absent {
			d.Fail(errors.New("more absent values of another reference than there are"))
		}
	}
	return apart
}

// appendBinary appends counts, moments, bins with their edges, distances with their
// center, the column as it is, and the sketches of detailed layouts.
func (n *Numeric) appendBinary(b []byte) []byte {
	b = append(b, flagsOf(n.detailed, n.mixed, n.apart))
	for _, c := range [...]uint64{n.Missing, n.Invalid, n.OutOfRange} {
		b = binary.AppendUvarint(b, c)
	}
	b = appendApart(b, n.apart)
	b = n.Distances.AppendBinary(n.Bins.AppendBinary(n.Moments.AppendBinary(b)))
	b = binary.AppendUvarint(b, uint64(len(n.column)))
	for _, x := range n.column {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	if n.detailed {
		b = n.Distinct.AppendBinary(n.Quantiles.AppendBinary(b))
	}
	return b
}

// read fills an empty n. It returns false if the bins are of another reference and were
// left out.
func (n *Numeric) read(d *sketch.Decoder) (kept bool) {
	flags := d.Byte()
	n.Missing, n.Invalid, n.OutOfRange = d.Count(), d.Count(), d.Count()
	n.apart = readApart(d, flags, n.Missing+n.Invalid)
	bins, distances := n.Bins, n.Distances
	d.Read(&n.Moments)
	d.Read(&n.Bins)
	d.Read(&n.Distances)
	if count := d.Length(8); count >= ColumnLength {
		d.Fail(errors.New("a column that is too long"))
	} else if count > 0 {
		n.column = make([]float64, count)
		for i := range n.column {
			n.column[i] = d.Float()
		}
	}
	if flags&flagDetailed != 0 {
		d.Read(&n.Quantiles)
		d.Read(&n.Distinct)
	}
	if !n.detailed {
		n.Quantiles, n.Distinct = sketch.Quantiles{}, sketch.Distinct{}
	}
	n.mixed = flags&flagMixed != 0
	if !n.Bins.Bins().Equal(bins.Bins()) || n.Distances.Center() != distances.Center() {
		n.Bins, n.Distances, n.OutOfRange, n.mixed = bins, distances, 0, false
		n.apart = n.Missing + n.Invalid
		return false
	}
	return true
}

func (c *Categorical) appendBinary(b []byte) []byte {
	b = append(b, flagsOf(c.detailed, c.mixed, c.apart))
	for _, n := range [...]uint64{c.Missing, c.Invalid, c.Count, c.Unseen} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.LittleEndian.AppendUint64(appendApart(b, c.apart), c.spec.categories)
	b = binary.AppendUvarint(b, uint64(len(c.counts)))
	for _, n := range c.counts {
		b = binary.AppendUvarint(b, n)
	}
	if c.detailed {
		b = c.Distinct.AppendBinary(c.Others.AppendBinary(b))
	}
	return b
}

// read fills an empty c. It returns false if the counts are of other categories and were
// left out.
func (c *Categorical) read(d *sketch.Decoder) (kept bool) {
	flags := d.Byte()
	c.Missing, c.Invalid, c.Count, c.Unseen = d.Count(), d.Count(), d.Count(), d.Count()
	c.apart = readApart(d, flags, c.Missing+c.Invalid)
	same := d.Uint64() == c.spec.categories
	if n := d.Length(1); n > 0 {
		c.counts = make([]uint64, n)
		for i := range c.counts {
			c.counts[i] = d.Count()
		}
	}
	others := c.Others
	if flags&flagDetailed != 0 {
		d.Read(&c.Others)
		d.Read(&c.Distinct)
	}
	if !c.detailed {
		c.Others, c.Distinct = others, sketch.Distinct{}
	}
	c.mixed = flags&flagMixed != 0
	if same {
		if r := c.spec.Reference; c.counts != nil && (r == nil || len(c.counts) != len(r.Categories)) {
			d.Fail(errors.New("counts of other categories"))
		}
		return true
	}
	c.counts, c.Others, c.Unseen, c.mixed = nil, others, 0, false
	c.apart = c.Missing + c.Invalid
	if c.spec.Reference == nil {
		c.Unseen = c.Count
	}
	return false
}

// hashCategories identifies the categories of a reference; 0 if there is none.
func hashCategories(f *Feature) uint64 {
	if f == nil {
		return 0
	}
	var b []byte
	for _, c := range f.Categories {
		b = sketch.AppendText(b, c)
	}
	return sketch.HashText(b)
}
