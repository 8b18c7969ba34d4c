package eval

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/streammon/streammon/internal/sketch"
)

// rankingVersion is the first byte of the binary form.
const rankingVersion = 1

// ranking is what was counted of lists of items, the best first, and of the items that were relevant. A relevance counts if
// it is finite and above 0. An item that is twice in a list is a hit at its first place only.
type ranking struct {
	queries uint64 // all, those without an answer among them, of which nothing else is counted
	defined uint64 // those with a relevant item
	cuts    []cut  // by rising Spec.K
	items   itemCounts
}

// cut is what was counted of the first k items of each list.
type cut struct {
	k int
	// Of queries with a relevant item:
	ndcg, precisions, reciprocal, recall, hit sketch.Moments
	precision                                 sketch.Moments  // of queries that were shown an item
	shown                                     sketch.Distinct // items at places from the cut before to this one
}

// discounts are 1/log2(rank + 2) for ranks from 0.
var discounts = func() []float64 {
	d := make([]float64, 1024)
	for i := range d {
		d[i] = 1 / math.Log2(float64(i)+2)
	}
	return d
}()

func discount(rank int) float64 {
	if rank < len(discounts) {
		return discounts[rank]
	}
	return 1 / math.Log2(float64(rank)+2)
}

func newRanking(s *Spec) *ranking {
	r := &ranking{cuts: make([]cut, len(s.K))}
	for i, k := range s.K {
		r.cuts[i].k = k
	}
	return r
}

func (r *ranking) count() uint64 { return r.queries }

// relevance finds how relevant items are to one query, as a share of the most relevant one.
type relevance struct {
	label *Label
	unit  float64            // of the gains in label
	index map[uint64]float64 // instead of a search, if not nil
}

// longSearch is the number of relevant items beyond which they are put into a map.
const longSearch = 32

// raw returns the relevance of the i-th item of the label, 0 if it does not count.
func (v *relevance) raw(i int) float64 {
	if v.label.Relevance == nil {
		return 1
	}
	if i < len(v.label.Relevance) {
		if x := v.label.Relevance[i]; x > 0 && defined(x) {
			return x
		}
	}
	return 0
}

// of returns how relevant an item is.
func (v *relevance) of(item uint64) float64 {
	if v.index != nil {
		return v.index[item]
	}
	if i := slices.Index(v.label.Items, item); i >= 0 {
		return v.raw(i) / v.unit
	}
	return 0
}

// ideal appends the relevance of all relevant items, falling.
func (v *relevance) ideal(dst []float64) []float64 {
	v.unit = 1
	for i := range v.label.Items {
		if x := v.raw(i); x > 0 {
			dst = append(dst, x)
		}
	}
	if v.label.Relevance != nil && len(dst) > 0 {
		slices.Sort(dst)
		slices.Reverse(dst)
		v.unit = dst[0]
		for i := range dst {
			dst[i] /= v.unit
		}
	}
	if len(v.label.Items) > longSearch {
		v.index = make(map[uint64]float64, len(v.label.Items))
		for i, item := range v.label.Items {
			v.index[item] = v.raw(i) / v.unit
		}
	}
	return dst
}

func (r *ranking) add(p *Prediction, l *Label) {
	r.queries++
	if len(p.Items) == 0 {
		return // nothing was recommended
	}
	var room [64]float64
	v := relevance{label: l}
	ideal := v.ideal(room[:0])
	if len(ideal) > 0 {
		r.defined++
	}
	items := p.Items
	if n := len(r.cuts); n > 0 {
		items = items[:min(len(items), r.cuts[n-1].k)]
	}
	places := 0 // that have a relevant item
	s := soFar{ideal: ideal}
	i := 0 // the cut that is being filled
	for rank, item := range items {
		for ; i < len(r.cuts) && r.cuts[i].k <= rank; i++ {
			r.cuts[i].add(&s, len(items))
		}
		if gain := v.of(item); gain > 0 {
			places++
			if !slices.Contains(items[:rank], item) {
				s.hit(rank, gain)
			}
		}
		r.items.addShown(item)
		if i < len(r.cuts) {
			r.cuts[i].shown.Add(item)
		}
	}
	for ; i < len(r.cuts); i++ {
		r.cuts[i].add(&s, len(items))
	}
	for i, item := range l.Items {
		if v.raw(i) > 0 {
			r.items.addRelevant(item)
		}
	}
	r.items.addQuery(len(items), len(ideal), places)
}

// soFar is what one list has down to a rank.
type soFar struct {
	ideal      []float64 // relevance of all relevant items, falling
	hits       int
	first      int // rank of the first hit, from 1
	gain, best float64
	bestTo     int // how many of ideal are in best
	precisions float64
}

func (s *soFar) hit(rank int, gain float64) {
	if s.hits++; s.hits == 1 {
		s.first = rank + 1
	}
	s.gain += gain * discount(rank)
	s.precisions += float64(s.hits) / float64(rank+1)
}

// add adds a query, of which s is known down to the cut and that was shown so many items.
func (c *cut) add(s *soFar, shown int) {
	if shown > 0 {
		observe(&c.precision, float64(s.hits)/float64(c.k))
	}
	if len(s.ideal) == 0 {
		return
	}
	possible := min(c.k, len(s.ideal))
	for ; s.bestTo < possible; s.bestTo++ {
		s.best += s.ideal[s.bestTo] * discount(s.bestTo)
	}
	observe(&c.ndcg, s.gain/s.best)
	observe(&c.precisions, s.precisions/float64(possible))
	observe(&c.recall, float64(s.hits)/float64(len(s.ideal)))
	if s.hits > 0 {
		observe(&c.reciprocal, 1/float64(s.first))
		observe(&c.hit, 1)
	} else {
		observe(&c.reciprocal, 0)
		observe(&c.hit, 0)
	}
}

// moments are all Moments, in the order of the binary form.
func (c *cut) moments() [6]*sketch.Moments {
	return [...]*sketch.Moments{&c.precision, &c.ndcg, &c.precisions, &c.reciprocal, &c.recall, &c.hit}
}

func (r *ranking) merge(o *ranking) {
	r.queries += o.queries
	r.defined += o.defined
	for i := range r.cuts {
		into, from := &r.cuts[i], &o.cuts[i]
		moments := from.moments()
		for j, m := range into.moments() {
			m.Merge(moments[j])
		}
		into.shown.Merge(&from.shown)
	}
	r.items.merge(&o.items)
}

func (r *ranking) clone() *ranking {
	c := *r
	c.cuts = slices.Clone(r.cuts)
	for i := range c.cuts {
		c.cuts[i].shown = r.cuts[i].shown.Clone()
	}
	c.items = r.items.clone()
	return &c
}

// bytes returns about the memory in use.
func (r *ranking) bytes() int {
	n := 128 + r.items.bytes()
	for i := range r.cuts {
		n += 6*56 + 48 + r.cuts[i].shown.Bytes()
	}
	return n
}

func (r *ranking) appendBinary(b []byte) []byte {
	b = append(b, rankingVersion)
	b = binary.AppendUvarint(binary.AppendUvarint(b, r.queries), r.defined)
	b = binary.AppendUvarint(b, uint64(len(r.cuts)))
	for i := range r.cuts {
		c := &r.cuts[i]
		b = binary.AppendUvarint(b, uint64(c.k))
		for _, m := range c.moments() {
			b = m.AppendBinary(b)
		}
		b = c.shown.AppendBinary(b)
	}
	return r.items.appendBinary(b)
}

// readBinary replaces what r counted, which must have the same cuts; where d fails, nothing of r is of use.
func (r *ranking) readBinary(d *sketch.Decoder) {
	d.Begin(rankingVersion)
	r.queries, r.defined = d.Count(), d.Count()
	if n := d.Uvarint(); d.Err() == nil && (n != uint64(len(r.cuts)) || r.defined > r.queries) {
		d.Fail(errParts)
	}
	for i := range r.cuts {
		c := &r.cuts[i]
		if k := d.Uvarint(); d.Err() == nil && k != uint64(c.k) {
			d.Fail(errParts)
		}
		for _, m := range c.moments() {
			d.Read(m)
		}
		d.Read(&c.shown)
		if d.Err() == nil && !c.valid(r.queries, r.defined) {
			d.Fail(errParts)
		}
	}
	r.items.readBinary(d)
}

// valid reports whether the parts can be of so many queries.
func (c *cut) valid(queries, defined uint64) bool {
	for i, m := range c.moments() {
		if m.Count > 0 && (m.Min < 0 || m.Max > 1+1e-9) || i > 0 && m.Count != defined {
			return false
		}
	}
	return c.precision.Count <= queries
}

func (r *ranking) figures(s *Spec, dst []Figure) []Figure {
	if r.queries == 0 {
		return dst
	}
	out := sheet{dst}
	out.exact("relevant_queries", float64(r.defined), math.NaN())
	var shown sketch.Distinct
	for i := range r.cuts {
		c := &r.cuts[i]
		k := strconv.Itoa(c.k)
		mean := func(name string, m *sketch.Moments) {
			value, stderr := meanOf(m)
			out.labelled(name, "k", k, value, stderr)
		}
		mean("ndcg", &c.ndcg)
		mean("mean_average_precision", &c.precisions)
		mean("mean_reciprocal_rank", &c.reciprocal)
		mean("precision_at_k", &c.precision)
		mean("recall_at_k", &c.recall)
		mean("hit_rate", &c.hit)
		shown.Merge(&c.shown)
		f := different(&shown)
		f.Name, f.Label, f.At = "items_shown", "k", k
		out.add(f)
		if s.Catalog > 0 {
			share := func(n float64) float64 { return min(n/float64(s.Catalog), 1) }
			f.Name, f.Low, f.Value, f.High = "catalog_coverage", share(f.Low), share(f.Value), share(f.High)
			out.add(f)
		}
	}
	r.items.figures(s.Catalog, &out)
	return out.figures
}

// different returns the number of different items, and bounds that are three standard errors of a HyperLogLog away unless it is exact.
func different(d *sketch.Distinct) Figure {
	n := float64(d.Estimate())
	f := exactly("", n, math.NaN())
	if !d.Exact() {
		by := 3 * 1.04 / 64 * n
		f.Low, f.High = n-by, n+by
	}
	return f
}
