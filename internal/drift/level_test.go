package drift

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// episodes counts the alarm episodes of a chi-square process of sliding sums at some levels.
func episodes(rng *rand.Rand, dims, slides, looks int, levels []float64) []int {
	ring, sum := make([]float64, slides*dims), make([]float64, dims)
	out, first, last := make([]int, len(levels)), make([]int, len(levels)), make([]int, len(levels))
	for i := range levels {
		first[i], last[i] = -2*slides, -2*slides
	}
	for i := range looks + slides {
		square := 0.0
		for j := range sum {
			x := rng.NormFloat64()
			sum[j] += x - ring[i%slides*dims+j]
			ring[i%slides*dims+j] = x
			square += sum[j] * sum[j]
		}
		if i < slides {
			continue
		}
		p := chiSquareSurvival(float64(dims), square/float64(slides))
		for l, level := range levels {
			if p > level {
				break
			}
			if i-first[l] >= slides && i-last[l] > slides/6 {
				out[l]++
				first[l] = i
			}
			last[l] = i
		}
	}
	return out
}

// TestClumps simulates the table: the alarms of as many looks as it takes are those that it says, within
// four standard errors and 10 %.
func TestClumps(t *testing.T) {
	const dims, looks = 9, 400_000
	levels := []float64{0.1, 0.01, 0.001}
	for _, slides := range []int{1, 10, 30, 45, 60, 144, 168} {
		got := episodes(rand.New(rand.NewPCG(3, uint64(slides))), dims, slides, looks, levels)
		for i, level := range levels {
			want := clump(float64(slides), level) * level * looks / float64(slides)
			if math.Abs(float64(got[i])-want) > 4*math.Sqrt(want)+0.1*want {
				t.Errorf("%d slides, level %g: %d episodes, want %.1f", slides, level, got[i], want)
			}
		}
	}
}

func TestLevel(t *testing.T) {
	month := FalseAlarms{1, int64(30 * 24 * time.Hour)}
	for _, c := range []struct {
		length, slide time.Duration
	}{{5 * time.Minute, 10 * time.Second}, {time.Hour, time.Minute}, {24 * time.Hour, 10 * time.Minute}, {7 * 24 * time.Hour, time.Hour}, {time.Minute, time.Minute}} {
		level := month.Level(int64(c.length), int64(c.slide), 3)
		windows := float64(month.Per) / float64(c.length)
		if got := level * clump(float64(c.length/c.slide), level) * windows; math.Abs(got-margin/3) > 1e-6 {
			t.Errorf("%v: level %g makes %v alarms in a month", c.length, level, got)
		}
	}
	if level := (FalseAlarms{1e9, 1}).Level(1, 1, 1); level != maxLevel {
		t.Errorf("level %v", level)
	}
}
