package drift

import (
	"math"
	"sort"
)

// FalseAlarms is the accepted number of alarm episodes of a model in a time while nothing changes: Count per Per
// nanoseconds.
type FalseAlarms struct {
	Count float64
	Per   int64
}

// maxLevel is the highest level of a look, however many false alarms are accepted.
const maxLevel = 0.1

// margin is which part of the false alarms that are accepted there is on average: their number varies, and is to be within what is accepted in
// most years, not in every other. So far out in the tail it costs little power.
const margin = 0.75

// Level returns the level of significance of each look at a window of the given length that slides by slide, if the
// false alarms are shared by windows of so many lengths. Looks that overlap are not independent, and
// neither are they one: there are clump times as many episodes as windows side by side would have.
func (f FalseAlarms) Level(length, slide int64, lengths int) float64 {
	windows := float64(f.Per) / float64(length)
	each := margin * f.Count / float64(max(lengths, 1)) / windows
	slides := float64(length) / float64(slide)
	level := min(each, maxLevel)
	for range 20 {
		level = min(each/clump(slides, level), maxLevel)
	}
	return level
}

// clumps is how many alarm episodes there are for each window length of time, over the level: by simulation of the
// squared length of sliding sums of independent normal vectors of nine dimensions, 13 million looks each. An
// episode lasts a window length from its first significant look on, and until a sixth of one after the last. (With one dimension it is up to a fifth less. Aldous 1989
// has the theory.)
var clumps = [...]struct {
	slides float64
	factor [5]float64 // at the levels 0.1, 0.01, ... 0.00001
}{
	{1, [...]float64{1, 1, 1, 1, 1}},
	{10, [...]float64{2.8, 4.7, 5.9, 7, 7.5}},
	{30, [...]float64{3.2, 6.2, 8.6, 10.9, 13}},
	{60, [...]float64{3.4, 7.1, 10.3, 12.8, 15.5}},
	{144, [...]float64{3.5, 7.7, 11.7, 15.7, 19}},
	{168, [...]float64{3.5, 7.8, 12.2, 16, 20}},
}

// clump interpolates in the logarithms of slides and level, and goes on in a straight line beyond.
func clump(slides, level float64) float64 {
	last := len(clumps) - 1
	i := sort.Search(last-1, func(i int) bool { return clumps[i+1].slides >= slides })
	low, high := clumps[i], clumps[i+1]
	at := func(factor [5]float64) float64 {
		x := -math.Log10(level) - 1
		j := int(max(0, min(x, 3)))
		return factor[j] + (factor[j+1]-factor[j])*(x-float64(j))
	}
	share := math.Log(slides/low.slides) / math.Log(high.slides/low.slides)
	return max(1, at(low.factor)+(at(high.factor)-at(low.factor))*share)
}
