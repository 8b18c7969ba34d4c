package demo

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Names of the shop's topics and model.
const (
	ShopTopic      = "recommendations.predictions"
	ShopLabelTopic = "recommendations.labels"
	ShopModel      = "recommendations"
)

const (
	catalog  = 500 // items
	tastes   = 10  // each with as many of them
	perTaste = catalog / tastes
	shown    = 10 // items of a list
)

// Most lists are not clicked at all; clicks come from seconds to minutes later.
const (
	clickedLists = 0.4
	secondClicks = 0.2
	longestLook  = 10 * time.Minute
)

var pages = []string{"home", "product", "cart"}

// shop answers with lists of recommended items.
type shop struct {
	random *rand.Rand
	count  uint64
	items  [shown]int
}

func newShop(seed uint64) *shop { return &shop{random: rand.New(rand.NewPCG(seed, 0x5409))} }

func shopID(n uint64) string { return "rec-" + strconv.FormatUint(n, 10) }

// step answers the next request, and notes what will be clicked.
func (s *shop) step(w *World, t time.Time, emit func(Record)) {
	r := s.random
	s.count++
	id, taste := shopID(s.count), r.IntN(tastes)
	for i := range s.items {
		for s.items[i] = recommended(r, taste); s.has(i, s.items[i]); {
			s.items[i] = recommended(r, taste)
		}
	}
	emit(Record{ShopTopic, id, s.appendJSON(make([]byte, 0, 384), id, t), t})
	clicked, again, wait := r.Float64(), r.Float64(), between(r, leastDelay, longestLook)
	l := label{at: t.Add(wait).UnixMilli(), id: s.count, items: [2]int16{int16(s.click(taste)), -1}}
	if other := int16(s.click(taste)); again < secondClicks && other != l.items[0] {
		l.items[1] = other
	}
	if clicked < clickedLists {
		w.clicked.add(l)
	}
}

// has reports whether the item is among the first n of the list.
func (s *shop) has(n, item int) bool {
	for _, o := range s.items[:n] {
		if o == item {
			return true
		}
	}
	return false
}

// recommended draws an item: as a rule one of the taste, and more often a popular one.
func recommended(r *rand.Rand, taste int) int {
	if r.Float64() < 0.3 {
		taste = r.IntN(tastes)
	}
	return taste*perTaste + int(float64(perTaste)*math.Pow(r.Float64(), 2))
}

// click draws what is clicked: as a rule something of the list, rather at its top; or what was searched for instead.
func (s *shop) click(taste int) int {
	if r := s.random; r.Float64() < 0.75 {
		return s.items[int(shown*math.Pow(r.Float64(), 2.5))]
	}
	return taste*perTaste + s.random.IntN(perTaste)
}

func (s *shop) appendJSON(b []byte, id string, t time.Time) []byte {
	r := s.random
	b = append(append(b, `{"type":"prediction","id":"`...), id...)
	b = t.UTC().AppendFormat(append(b, `","time":"`...), timeForm)
	b = append(b, `","model":"`+ShopModel+`","version":"3","features":{`...)
	b = appendNumber(b, "basket", 30*r.ExpFloat64(), 2)
	b = appendText(b, "page", zipf(r, pages))
	b = append(b, `},"prediction":{"items":[`...)
	for i, item := range s.items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendItem(b, item)
	}
	b = append(b, `]},"latency_ms":`...)
	b = strconv.AppendFloat(b, 10+5*r.ExpFloat64(), 'f', 2, 64)
	return append(b, `,"status":200}`...)
}

func appendItem(b []byte, item int) []byte {
	return append(strconv.AppendInt(append(b, `"sku-`...), int64(item)+1, 10), '"')
}

// appendClicks appends what a label of the shop says, and its end.
func appendClicks(b []byte, items [2]int16) []byte {
	b = appendItem(append(b, `{"items":[`...), int(items[0]))
	if items[1] >= 0 {
		b = appendItem(append(b, ','), int(items[1]))
	}
	return append(b, `]}}`...)
}
