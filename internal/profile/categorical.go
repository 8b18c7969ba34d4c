package profile

import (
	"slices"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// Categorical is what a categorical feature looked like.
type Categorical struct {
	Missing, Invalid uint64
	// Count is the number of valid values.
	Count uint64
	// Unseen is the number of values that the reference does not know; without a
	// reference it is Count.
	Unseen uint64
	// Others has the most frequent of the unseen values, and Distinct all values;
	// both in detailed layouts only.
	Others   sketch.TopK
	Distinct sketch.Distinct

	counts   []uint64 // of the reference's categories; nil while all are 0
	spec     *FeatureSpec
	detailed bool
	mixed    bool   // merged from series with another reference
	apart    uint64 // of the missing and invalid, those that belong to panes of another reference
}

func newCategorical(spec *FeatureSpec, detailed bool) Categorical {
	c := Categorical{spec: spec, detailed: detailed}
	if detailed {
		c.Others = sketch.NewTopK(unseenKept)
	}
	return c
}

// Comparable reports whether the counts can be compared with the reference.
func (c *Categorical) Comparable() bool { return c.spec.Reference != nil && !c.mixed }

// AppendCounts appends the counts of the reference's categories, in its order,
// and the count of unseen values: the bins of the categorical statistics.
func (c *Categorical) AppendCounts(dst []uint64) []uint64 {
	if c.counts == nil {
		dst = append(dst, make([]uint64, len(c.spec.Reference.Categories))...)
	} else {
		dst = append(dst, c.counts...)
	}
	return append(dst, c.Unseen)
}

// CountOf returns the count of a category: exact if the reference has it, or if at most 64 that it does not have were seen; else
// as good as Others. Segments know those of the reference only. It is not known where windows with another reference were merged in.
func (c *Categorical) CountOf(category string) (n uint64, ok bool) {
	if c.mixed {
		return 0, false
	}
	if r := c.spec.Reference; r != nil {
		if i, known := r.category[category]; known {
			if c.counts == nil {
				return 0, true
			}
			return c.counts[i], true
		}
	}
	return c.Others.Count(category), c.detailed
}

func (c *Categorical) observe(v *event.Value) {
	switch v.State {
	case event.Missing:
		c.Missing++
	case event.Invalid:
		c.Invalid++
	default:
		c.count(v.Text)
	}
}

func (c *Categorical) count(text []byte) {
	c.Count++
	if c.detailed {
		c.Distinct.Add(sketch.HashText(text))
	}
	if r := c.spec.Reference; r != nil {
		if i, ok := r.category[string(text)]; ok {
			if c.counts == nil {
				c.counts = make([]uint64, len(r.Categories))
			}
			c.counts[i]++
			return
		}
	}
	c.Unseen++
	if c.detailed {
		c.Others.Add(text, 1)
	}
}

// Compared returns how many values are counted by the reference's categories: fewer than Count if some
// were counted by another's, 0 if none can be compared.
func (c *Categorical) Compared() uint64 {
	if !c.Comparable() {
		return 0
	}
	n := c.Unseen
	for _, k := range c.counts {
		n += k
	}
	return n
}

// Absent returns how many values are missing or invalid, of those that belong to Compared.
func (c *Categorical) Absent() uint64 { return c.Missing + c.Invalid - c.apart }

// adopt makes the reference that of spec; what was counted by another one is forgotten.
func (c *Categorical) adopt(spec *FeatureSpec) {
	if c.spec.Reference != spec.Reference {
		fresh := newCategorical(spec, c.detailed)
		c.counts, c.Unseen, c.Others, c.mixed = nil, 0, fresh.Others, false
		c.apart = c.Missing + c.Invalid
	}
	c.spec = spec
}

// merge adds o; older is set if another reference of o is an older one.
func (c *Categorical) merge(o *Categorical, older bool) {
	c.Missing += o.Missing
	c.Invalid += o.Invalid
	c.Count += o.Count
	if c.detailed {
		c.Distinct.Merge(&o.Distinct)
	}
	same := c.spec.Reference == o.spec.Reference
	if !same && older {
		c.apart += o.Missing + o.Invalid
		return
	}
	c.apart += o.apart
	c.Unseen += o.Unseen
	if c.detailed {
		c.Others.Merge(&o.Others)
	}
	if c.mixed = c.mixed || o.mixed || !same; c.mixed {
		c.counts = nil
		return
	}
	if o.counts == nil {
		return
	}
	if c.counts == nil {
		c.counts = make([]uint64, len(o.counts))
	}
	for i, n := range o.counts {
		c.counts[i] += n
	}
}

func (c *Categorical) clone() Categorical {
	d := *c
	d.counts = slices.Clone(c.counts)
	d.Others = c.Others.Clone()
	d.Distinct = c.Distinct.Clone()
	return d
}
