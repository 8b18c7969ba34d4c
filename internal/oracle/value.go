package oracle

import (
	"encoding/json"
	"fmt"
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

// farOff is a power of ten beyond all float64 and all times, on either side.
const farOff = 2000

// rational returns the value of a decimal number. It is exact, but for one whose digits would
// fill the memory: that is refused if it is large, and stands for any as small if it is not.
func rational(number string) (*big.Rat, bool) {
	mantissa, power, _ := strings.Cut(strings.ToLower(number), "e")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return new(big.Rat), true
	}
	exponent := new(big.Int)
	if power != "" {
		exponent.SetString(power, 10)
	}
	// The number is at least 10^(order-1), and less than 10^order.
	order := exponent.Add(exponent, big.NewInt(int64(len(digits)-len(fraction))))
	switch {
	case order.Cmp(big.NewInt(farOff)) > 0:
		return nil, false
	case order.Cmp(big.NewInt(-farOff)) < 0:
		number = strings.Repeat("-", strings.Count(mantissa, "-")) + fmt.Sprintf("1e-%d", farOff)
	}
	return new(big.Rat).SetString(number)
}
