package oracle

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/streammon/streammon/internal/event"
)

// reading is what a feature's value amounts to.
type reading struct {
	state  event.State
	number float64
	text   string
}

// readValue reads a JSON value as a numeric or a categorical feature.
func readValue(value any, categorical bool) reading {
	if value == nil {
		return reading{}
	}
	if categorical {
		text, ok := readText(value)
		if !ok {
			return reading{state: event.Invalid}
		}
		return reading{state: event.Valid, text: text}
	}
	number, ok := readNumber(value)
	if !ok {
		return reading{state: event.Invalid}
	}
	return reading{state: event.Valid, number: number}
}

// readNumber takes finite numbers and booleans.
func readNumber(value any) (float64, bool) {
	switch v := value.(type) {
	case json.Number:
		number, err := strconv.ParseFloat(string(v), 64)
		return number, err == nil && !math.IsInf(number, 0)
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// readText takes strings, integers (in their plain digits) and booleans.
func readText(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return integerText(string(v))
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// integerText returns the digits of a number that is an integer, however it is
// written, and finite as a float64.
func integerText(number string) (string, bool) {
	if f, err := strconv.ParseFloat(number, 64); err != nil || math.IsInf(f, 0) {
		return "", false
	}
	exact, ok := rational(number)
	if !ok || !exact.IsInt() {
		return "", false
	}
	return exact.Num().String(), true
}

// rational returns the exact value of a JSON number. Exponents beyond any
// float64 are refused, since their digits would fill the memory.
func rational(number string) (*big.Rat, bool) {
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		if exponent, err := strconv.Atoi(number[i+1:]); err != nil || exponent < -2000 || exponent > 2000 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(number)
}
