package sketch_test

import (
	"fmt"

	"github.com/streammon/streammon/internal/sketch"
)

func ExampleQuantiles() {
	w := sketch.NewWorkspace()
	var morning, evening sketch.Quantiles
	xs := []float64{3, 1, 2, 5, 4}
	w.Sort(xs)
	morning.AddSorted(xs, w)
	evening.AddSorted([]float64{6, 7, 8, 9}, w)
	morning.Merge(&evening, w)
	fmt.Println(morning.Count(), morning.Quantile(0.5, w), morning.Max())
	// Output: 9 5 9
}

func ExampleHistogram() {
	bins, err := sketch.NewBins([]float64{0, 10})
	if err != nil {
		panic(err)
	}
	h := sketch.NewHistogram(bins)
	h.AddSorted([]float64{-1, 0, 0.5, 10, 11})
	fmt.Println(h.Counts())
	// Output: [2 2 1]
}

func ExampleExpHistogram() {
	h := sketch.NewExpHistogram(100)
	h.AddAll([]float64{99, 100, 101, 102})
	h.Each(func(lower, upper float64, count uint64) {
		fmt.Printf("%.3f to %.3f: %d\n", lower, upper, count)
	})
	// Output:
	// 98.978 to 99.000: 1
	// 100.000 to 100.000: 1
	// 101.000 to 101.022: 1
	// 102.000 to 102.044: 1
}

func ExampleMoments() {
	var m sketch.Moments
	m.AddAll([]float64{2, 4, 4, 4, 5, 5, 7, 9})
	fmt.Println(m.Count, m.Mean, m.PopulationStdDev())
	// Output: 8 5 2
}

func ExampleDistinct() {
	var d sketch.Distinct
	for _, name := range []string{"a", "b", "a"} {
		d.Add(sketch.HashText([]byte(name)))
	}
	fmt.Println(d.Estimate())
	// Output: 2
}

func ExampleTopK() {
	t := sketch.NewTopK(2)
	for _, key := range []string{"a", "b", "a", "c", "a"} {
		t.Add([]byte(key), 1)
	}
	fmt.Printf("%+v of %d\n", t.Items(), t.Total())
	// Output: [{Key:a Count:2 Error:1}] of 5
}
