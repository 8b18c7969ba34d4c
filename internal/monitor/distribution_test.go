package monitor

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDistribution: the counts of all bins on both sides, by hand; segments have them, too, but for the band.
func TestDistribution(t *testing.T) {
	all := movedResults(t, Verdicts{MinSamples: 50}, referenceRows(), movedRows())
	for i, r := range all {
		x, c := &r.Features[0], &r.Features[1]
		if x.Needs != 50 || c.Needs != 50 {
			t.Errorf("needs %d and %d", x.Needs, c.Needs)
		}
		d := x.Distribution
		if len(d.Edges) != 9 || d.Edges[0] != 10 || d.Edges[8] != 90 {
			t.Fatalf("edges %v", d.Edges)
		}
		if diff := cmp.Diff([]uint64{10, 10, 10, 10, 10, 10, 10, 10, 10, 10}, d.Reference); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]uint64{60, 0, 0, 0, 0, 0, 0, 0, 0, 40}, d.Current); diff != "" {
			t.Error(diff)
		}
		if (len(d.Band) == 5) != (i == 0) {
			t.Errorf("%q has the band %v", r.Segment, d.Band)
		}
		want := &Distribution{
			Categories: []string{"a", "b", "c", "rare"}, Reference: []uint64{50, 30, 18, 2, 0, 0}, Current: []uint64{20, 30, 0, 0, 0, 50},
		}
		if diff := cmp.Diff(want, c.Distribution); diff != "" {
			t.Error(diff)
		}
	}
	if band := all[0].Features[0].Distribution.Band; band[2].Q != "0.5" || band[2].Value < 49 || band[2].Value > 51 {
		t.Errorf("the reference's median is %v", band[2])
	}
}

// TestDistributionNames: what may not be named is counted together.
func TestDistributionNames(t *testing.T) {
	r := movedResults(t, Verdicts{MinSamples: 50, Features: map[string]FeatureVerdict{"c": {Show: ShowNone}}}, referenceRows(), movedRows())
	want := &Distribution{Categories: []string{}, Reference: []uint64{100, 0}, Current: []uint64{50, 50}}
	if diff := cmp.Diff(want, r[0].Features[1].Distribution); diff != "" {
		t.Error(diff)
	}
}

// TestManyCategories: the largest on either side are named.
func TestManyCategories(t *testing.T) {
	var names []string
	var then, now []uint64
	for i := range 30 {
		names, then, now = append(names, string(rune('A'+i))), append(then, uint64(100+i)), append(now, 1)
	}
	now[3] = 5000
	d := categories(names, append(then, 0), append(now, 7), true)
	if len(d.Categories) != maxShownCategories || d.Categories[0] != "D" || d.Categories[1] != names[29] || d.Categories[11] != names[19] {
		t.Errorf("named %q", d.Categories)
	}
	var sum [2]uint64
	for i := range d.Reference {
		sum[0], sum[1] = sum[0]+d.Reference[i], sum[1]+d.Current[i]
	}
	if sum != [2]uint64{30*100 + 435, 5000 + 29 + 7} || len(d.Current) != maxShownCategories+2 {
		t.Errorf("sums %v of %d bins", sum, len(d.Current))
	}
}
