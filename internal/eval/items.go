package eval

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
)

const (
	// exactItems is how many different items are counted one by one.
	exactItems = 1024
	// itemBinCount is the number of bins in which more of them are counted.
	itemBinCount = 1024
	// itemErrors is how many standard errors of the bins away from a figure its bounds are.
	itemErrors = 3
)

// itemPair is how often an item was shown and relevant.
type itemPair struct{ shown, relevant uint64 }

// itemBins sum that over the items of a bin, each with its sign.
type itemBins [itemBinCount]struct{ shown, relevant int64 }

// itemCounts is how often items were shown and relevant: exactly for up to 1,024 items, and then as a sum over the items of each
// of 1,024 bins, each with a sign that is drawn from its hash. From this the sums of squares and of products over all items
// come without bias, with a relative standard error of √(2/1024) = 4.4 % at most (Thorup and Zhang, "Tabulation based 4-universal
// hashing with applications to second moment estimation", SODA 2004, after Alon, Matias and Szegedy 1996). It is a function of
// the multiset of what was added.
//
// The figures are of pairs of different queries: how often two of them meet in an item. So they do not depend on the
// number of queries but for chance, as figures do that need the popularity of each single item.
type itemCounts struct {
	exact map[uint64]itemPair
	bins  *itemBins // instead of exact, if not nil

	shown, relevant uint64 // places in all lists, and relevant items of all queries
	// Within queries: pairs of places, pairs of relevant items, pairs of one and the other, and how many of
	// these are the same item.
	shownPairs, relevantPairs, mixedPairs, hits uint64
}

// addShown counts a place of a list.
func (c *itemCounts) addShown(item uint64) {
	c.shown++
	c.addItem(item, itemPair{shown: 1})
}

// addRelevant counts a relevant item.
func (c *itemCounts) addRelevant(item uint64) {
	c.relevant++
	c.addItem(item, itemPair{relevant: 1})
}

// addQuery counts how many places and relevant items a query had, and how many of the places had one of them.
func (c *itemCounts) addQuery(shown, relevant, hits int) {
	s, r := uint64(shown), uint64(relevant)
	c.shownPairs += s * s
	c.relevantPairs += r * r
	c.mixedPairs += s * r
	c.hits += uint64(hits)
}

func (c *itemCounts) addItem(item uint64, n itemPair) {
	if c.bins != nil {
		c.bins.add(item, n)
		return
	}
	if c.exact == nil {
		c.exact = make(map[uint64]itemPair)
	}
	old := c.exact[item]
	c.exact[item] = itemPair{old.shown + n.shown, old.relevant + n.relevant}
	if len(c.exact) > exactItems {
		c.fold()
	}
}

// fold goes over to bins.
func (c *itemCounts) fold() {
	if c.bins != nil {
		return
	}
	c.bins = new(itemBins)
	for item, n := range c.exact {
		c.bins.add(item, n)
	}
	c.exact = nil
}

// add adds to the item's bin.
func (b *itemBins) add(item uint64, n itemPair) {
	e := &b[item>>20%itemBinCount]
	sign := 1 - 2*int64(item>>40&1)
	e.shown += sign * int64(n.shown)
	e.relevant += sign * int64(n.relevant)
}

func (c *itemCounts) merge(o *itemCounts) {
	if o.bins != nil {
		c.fold()
		for i, e := range o.bins {
			c.bins[i].shown += e.shown
			c.bins[i].relevant += e.relevant
		}
	}
	for item, n := range o.exact {
		c.addItem(item, n)
	}
	sums := o.sums()
	for i, n := range c.sums() {
		*n += *sums[i]
	}
}

// sums are all numbers beside those of items, in the order of the binary form.
func (c *itemCounts) sums() [6]*uint64 {
	return [...]*uint64{&c.shown, &c.relevant, &c.shownPairs, &c.relevantPairs, &c.mixedPairs, &c.hits}
}

func (c *itemCounts) clone() itemCounts {
	d := *c
	d.exact = maps.Clone(c.exact)
	if c.bins != nil {
		d.bins = new(itemBins)
		*d.bins = *c.bins
	}
	return d
}

// bytes returns about the memory in use beyond the struct.
func (c *itemCounts) bytes() int {
	if c.bins != nil {
		return 16 * itemBinCount
	}
	return 48 * len(c.exact)
}

// appendBinary appends the sums and the items by rising hash, or 1,025 in place of their number and the bins.
func (c *itemCounts) appendBinary(b []byte) []byte {
	for _, n := range c.sums() {
		b = binary.AppendUvarint(b, *n)
	}
	if c.bins != nil {
		b = binary.AppendUvarint(b, exactItems+1)
		for _, e := range c.bins {
			b = binary.AppendVarint(binary.AppendVarint(b, e.shown), e.relevant)
		}
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(c.exact)))
	for _, item := range slices.Sorted(maps.Keys(c.exact)) {
		n := c.exact[item]
		b = binary.LittleEndian.AppendUint64(b, item)
		b = binary.AppendUvarint(binary.AppendUvarint(b, n.shown), n.relevant)
	}
	return b
}

// readBinary replaces c; where d fails, nothing of c is of use.
func (c *itemCounts) readBinary(d *sketch.Decoder) {
	*c = itemCounts{}
	for _, n := range c.sums() {
		*n = d.Count()
	}
	n := d.Uvarint()
	if n > exactItems+1 {
		d.Fail(errParts)
	}
	if d.Err() != nil {
		return
	}
	var sum itemPair // of the items, or what those of the bins are at least
	if n > exactItems {
		sum = c.readBins(d)
	} else {
		sum = c.readItems(d, int(n))
	}
	exact := c.bins == nil
	if sum.shown > c.shown || sum.relevant > c.relevant || exact && sum != (itemPair{c.shown, c.relevant}) ||
		c.shownPairs < c.shown || c.relevantPairs < c.relevant || c.hits > c.mixedPairs {
		d.Fail(errParts)
	}
}

func (c *itemCounts) readItems(d *sketch.Decoder, n int) (sum itemPair) {
	if n > 0 {
		c.exact = make(map[uint64]itemPair, n)
	}
	before := uint64(0)
	for i := range n {
		item, e := d.Uint64(), itemPair{d.Count(), d.Count()}
		if e == (itemPair{}) || i > 0 && item <= before {
			d.Fail(errParts)
		}
		if d.Err() != nil {
			return sum
		}
		c.exact[item] = e
		sum.shown, sum.relevant, before = sum.shown+e.shown, sum.relevant+e.relevant, item
	}
	return sum
}

func (c *itemCounts) readBins(d *sketch.Decoder) (sum itemPair) {
	c.bins = new(itemBins)
	for i := range c.bins {
		e := &c.bins[i]
		e.shown, e.relevant = d.Varint(), d.Varint()
		shown, relevant := max(e.shown, -e.shown), max(e.relevant, -e.relevant)
		if shown < 0 || relevant < 0 || uint64(shown) > c.shown || uint64(relevant) > c.relevant {
			d.Fail(errParts)
			return sum
		}
		sum.shown, sum.relevant = sum.shown+uint64(shown), sum.relevant+uint64(relevant)
	}
	return sum
}

// estimate is a number with the bounds that bins leave.
type estimate struct{ low, value, high float64 }

// products returns the sums over items of shown², of relevant², and of shown·relevant.
func (c *itemCounts) products() (shown, relevant, mixed estimate) {
	var s, r, m float64
	sum := func(a, b float64) {
		s += a * a
		r += b * b
		m += a * b
	}
	if c.bins == nil {
		for _, item := range slices.Sorted(maps.Keys(c.exact)) { // in an order, for what rounding makes of large counts
			n := c.exact[item]
			sum(float64(n.shown), float64(n.relevant))
		}
		return estimate{s, s, s}, estimate{r, r, r}, estimate{m, m, m}
	}
	for _, e := range c.bins {
		sum(float64(e.shown), float64(e.relevant))
	}
	around := func(x, variance float64) estimate {
		by := itemErrors * math.Sqrt(variance/itemBinCount)
		return estimate{x - by, x, x + by}
	}
	return around(s, 2*s*s), around(r, 2*r*r), around(m, s*r+m*m)
}

// among returns the share of the pairs of different queries that are of the same item: of all pairs, the sum of products
// over items says how many are of the same item, and those within queries do not count.
func (e estimate) among(all float64, within, same uint64) estimate {
	pairs := all - float64(within)
	if pairs <= 0 {
		return estimate{math.NaN(), math.NaN(), math.NaN()}
	}
	share := func(x float64) float64 { return max(x-float64(same), 0) / pairs }
	return estimate{share(e.low), share(e.value), share(e.high)}
}

// figure returns f of the estimate, with f rising or falling.
func (e estimate) figure(name string, f func(float64) float64) Figure {
	a, b := f(e.low), f(e.high)
	return Figure{Name: name, Value: f(e.value), StdErr: math.NaN(), Low: min(a, b), High: max(a, b)}
}

// figures adds what items tell.
//
// effective_items is how many items, all shown equally often, two lists would meet in as often as these do: the inverse of Simpson's
// index without bias ("Measurement of diversity", Nature 1949), the Hill number of order 2 (Jost, "Entropy and
// diversity", Oikos 2006). diversity is its share of the catalog.
//
// The popularity of an item in the eyes of a query is the share that it has of the relevant items of all other queries.
// novelty is the information of the mean popularity of what was shown, in bits: a lower bound of the mean information of the single items
// (Jensen), and, in other units, the expected popularity complement of Vargas and Castells ("Rank and relevance in novelty
// and diversity metrics for recommender systems", RecSys 2011). The mean information itself is infinite as soon as an item is shown that
// was never relevant, and with added counts it would depend on the number of queries.
// popularity_bias is the mean popularity of what was shown over that of what was relevant; 1 is none.
func (c *itemCounts) figures(catalog int, out *sheet) {
	shown, relevant, mixed := c.products()
	s, r := float64(c.shown), float64(c.relevant)
	meeting := shown.among(s*s, c.shownPairs, c.shown)
	out.add(meeting.figure("effective_items", func(x float64) float64 { return 1 / x }))
	if catalog > 0 {
		out.add(meeting.figure("diversity", func(x float64) float64 {
			if x == 0 {
				return math.NaN()
			}
			return min(1/x/float64(catalog), 1)
		}))
	}
	recommended := mixed.among(s*r, c.mixedPairs, c.hits)
	wanted := relevant.among(r*r, c.relevantPairs, c.relevant)
	out.add(recommended.figure("novelty", func(x float64) float64 { return -math.Log2(x) + 0 }))
	bias := estimate{recommended.low / wanted.high, recommended.value / wanted.value, recommended.high / wanted.low}
	out.add(bias.figure("popularity_bias", func(x float64) float64 { return x }))
}
