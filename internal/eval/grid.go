package eval

import "math"

// The grid of scores: bins in all, of which the lower half holds the scores below ½. The upper half is its mirror image.
const (
	bins    = 1024
	half    = bins / 2
	outside = 64 // of the scores below 0, and as many of those above 1
)

// octaves has how many bins, as powers of two, there are of the scores from 2^-(i+2) to 2^-(i+1): narrow ones in
// the middle, where scores are often spread evenly, and ones of a constant ratio toward 0, where those of rare events are.
// With one bin for all that is below, they are the 448 bins from 0 to ½.
var octaves = [...]uint8{7, 6, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 3, 3, 3, 2, 1, 0}

// starts has the first bin of each octave.
var starts = makeStarts()

func makeStarts() (starts [len(octaves)]uint16) {
	at := uint16(half)
	for i, power := range octaves {
		at -= 1 << power
		starts[i] = at
	}
	return starts
}

// bin returns the bin of a finite score other than −0, which rises with it: 0 to outside-1 are below 0.
func bin(x float64) int {
	if x < 0.5 {
		return lower(x)
	}
	return bins - 1 - lower(1-x)
}

// lower returns the bin of a score of at most ½.
func lower(x float64) int {
	if x < 0 {
		return outside - 1 - below(-x)
	}
	bits := math.Float64bits(x)
	octave := 1021 - int(bits>>52) // 0 from ¼ to ½
	if octave < 0 {                // ½
		return half - 1
	}
	if octave >= len(octaves) {
		return outside
	}
	return int(starts[octave]) + int(bits&(1<<52-1)>>(52-octaves[octave]))
}

// below returns how far out the bin of a distance from 0 (downward) or 1 (upward) is: eight an octave from ⅛ to 32.
func below(distance float64) int {
	bits := math.Float64bits(distance)
	return min(max(int(bits>>49)-(1023-3)*8, 0), outside-1)
}

// edges returns the least and the largest score of a bin within [0, 1], as they would be without rounding.
func edges(i int) (low, high float64) {
	if i >= half {
		low, high = edges(bins - 1 - i)
		return 1 - high, 1 - low
	}
	if i <= outside {
		return 0, math.Ldexp(1, -len(octaves)-1)
	}
	octave := 0
	for int(starts[octave]) > i {
		octave++
	}
	width := math.Ldexp(1, -octave-2-int(octaves[octave]))
	low = math.Ldexp(1, -octave-2) + width*float64(i-int(starts[octave]))
	return low, low + width
}

// within reports whether a bin's scores are within [0, 1].
func within(i int) bool { return outside <= i && i < bins-outside }
