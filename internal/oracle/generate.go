package oracle

import "math/rand/v2"

// Generate makes a random setup and a log for it.
func Generate(rng *rand.Rand) (Setup, [][]Message) {
	return Setup{}, nil
}
