package monitor

import "time"

// exampleResult has every kind of figure, defined and not.
func exampleResult() *Result {
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	u := Undefined
	return &Result{
		Model: "fraud", Version: "7", Window: "1h", Start: start, End: start.Add(time.Hour), Complete: true, Events: 18000,
		Service: Service{RequestsPerSecond: 5, ErrorRatio: 0.01, Latency: Quantiles{{"0.5", 0.01}, {"0.95", u}, {"0.99", 0.05}}},
		Features: []FeatureResult{
			{
				Name: "amount", Type: "numeric", Count: 17990, Missing: 10, HasReference: true, OutOfRange: 3, Mean: 1, StdDev: 1, Min: 0.1, Max: 9.9,
				Quantiles: Quantiles{{"0.5", 1}}, Distinct: 1200, DistinctKnown: true, State: StateOK, QValue: 0.5,
				Drift: Drifts{{"psi", 0.03, 0.1, 0.4}, {"js_distance", 0.05, u, u}},
			},
			{Name: "merchant", Type: "categorical", Missing: 18000, Mean: u, StdDev: u, Min: u, Max: u},
		},
		Changes: []ChangeResult{
			{Figure: "error_ratio", Detectors: DetectorResults{
				{"adwin", StateChange, start.Add(2410 * time.Second).UnixNano(), start.Add(2390 * time.Second).UnixNano()}, {Detector: "ddm", State: StateWarning},
			}},
			{Figure: "mean", Feature: "amount", Detectors: DetectorResults{{Detector: "adwin", State: StateOK}}},
		},
	}
}
