package drift_test

import (
	"fmt"

	"github.com/streammon/streammon/internal/drift"
)

func Example() {
	// Payments by card, transfer and cash, and one bin for what is new.
	reference := drift.Sample{Bins: []uint64{7000, 2500, 500, 0}}
	window := drift.Sample{Bins: []uint64{550, 230, 40, 180}}
	outcomes, state := drift.Evaluate(reference, window, drift.Options{Statistics: []string{"psi", "js"}, MinSamples: 200})
	for _, o := range outcomes {
		fmt.Printf("%s %.3f, drift from %.3f\n", o.Statistic, o.Value, o.Threshold)
	}
	fmt.Println(state)
	// Output:
	// psi 1.515, drift from 0.103
	// js_distance 0.312, drift from 0.123
	// drift
}
