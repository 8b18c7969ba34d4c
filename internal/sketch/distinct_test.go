package sketch

import (
	"fmt"
	"math"
	"testing"
)

// TestHashes fixes the hashes, which are stored and merged: xxHash64 with seed 0, by its
// specification's values for "" and "a".
func TestHashes(t *testing.T) {
	for text, want := range map[string]uint64{"": 0xef46db3751d8e999, "a": 0xd24ec4f1a98c6e5b} {
		if got := HashText([]byte(text)); got != want {
			t.Errorf("hash of %q is %x, want %x", text, got, want)
		}
	}
	one := []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}
	if got, want := HashNumber(1), HashText(one); got != want {
		t.Errorf("hash of 1 is %x, want %x", got, want)
	}
	if HashNumber(math.Copysign(0, -1)) != HashNumber(0) {
		t.Error("−0 is not 0")
	}
}

// TestDistinctError holds the estimate to four standard errors, of hashes that are the
// same in every run.
func TestDistinctError(t *testing.T) {
	var d Distinct
	n := 0
	for _, stop := range []int{0, 1, 63, 64, 65, 100, 1000, 5000, 20000, 100000, 500000} {
		for ; n < stop; n++ {
			hash := HashText(fmt.Appendf(nil, "user-%d", n))
			d.Add(hash)
			d.Add(hash)
		}
		if exact := d.Exact(); exact != (n <= exactDistinct) {
			t.Errorf("%d are counted exactly: %t", n, exact)
		}
		bound := 0.0
		if n > exactDistinct {
			bound = max(4*1.04/math.Sqrt(1<<precision)*float64(n), 1)
		}
		if got := d.Estimate(); math.Abs(float64(got)-float64(n)) > bound {
			t.Errorf("estimate of %d is %d, want ± %g", n, got, bound)
		}
	}
}

// TestEstimateIsTheLibrarys compares estimates at many sizes, and with registers as high as they get.
func TestEstimateIsTheLibrarys(t *testing.T) {
	for _, extreme := range []bool{false, true} {
		var d Distinct
		for n := range 100_000 {
			d.Add(HashNumber(float64(n)))
			if extreme && n == 500 {
				d.Add(0)      // the highest
				d.Add(1 << 9) // in another's place
				d.Add(1<<60 | 1<<12)
			}
			if n > exactDistinct && n%499 == 0 {
				if got, want := d.Estimate(), d.dense.Estimate(); got != want {
					t.Fatalf("%d values: estimate %d, want %d", n+1, got, want)
				}
			}
		}
		b := d.AppendBinary(nil)
		if _, _, ok := sumOfPowers(b[len(b)-1<<precision:]); ok == extreme {
			t.Errorf("registers that are too high: %t, want %t", !ok, extreme)
		}
	}
}

func TestDistinctAllocatesOnGrowthOnly(t *testing.T) {
	for _, n := range []int{exactDistinct, 1000} {
		var d Distinct
		for x := range n {
			d.Add(HashNumber(float64(x)))
		}
		x := 0
		allocs := testing.AllocsPerRun(100, func() {
			d.Add(HashNumber(float64(x)))
			x = (x + 1) % n
		})
		if allocs != 0 {
			t.Errorf("%d values: %g allocations for one of them", n, allocs)
		}
	}
}

func TestDistinctClone(t *testing.T) {
	for _, n := range []int{10, 100} {
		var d Distinct
		for x := range n {
			d.Add(HashNumber(float64(x)))
		}
		c := d.Clone()
		before := form[Distinct](&c)
		d.Add(HashNumber(-1))
		for x := range n {
			d.Add(HashNumber(float64(x) + 0.5))
		}
		if string(form[Distinct](&c)) != string(before) {
			t.Errorf("the copy of %d values changed", n)
		}
	}
}
