package config

import "slices"

// Names of the features that stand for what a model answered.
const (
	predictionScore = "prediction.score"
	predictionLabel = "prediction.label"
	predictionValue = "prediction.value"
)

// outputTypes are the types of the prediction outputs.
var outputTypes = map[string]string{
	predictionScore: "numeric", predictionLabel: "categorical", predictionValue: "numeric",
}

// taskOutputs are the prediction outputs of the tasks that have some.
var taskOutputs = map[string][]string{
	"binary":     {predictionScore, predictionLabel},
	"multiclass": {predictionScore, predictionLabel},
	"regression": {predictionValue},
}

// OutputFeatures returns the features that stand for what the model answers, with
// the settings that the config gives them: prediction.score and prediction.label of
// the tasks binary and multiclass, prediction.value of regression, none of the others.
func (m *Model) OutputFeatures() []Feature {
	var out []Feature
	for _, name := range taskOutputs[m.Task] {
		i := slices.IndexFunc(m.Features, func(f Feature) bool { return f.Name == name })
		if i < 0 {
			out = append(out, Feature{Name: name, Type: outputTypes[name], Importance: 1})
			continue
		}
		out = append(out, m.Features[i])
	}
	return out
}

// AllFeatures returns the features to monitor: the configured ones in the file's
// order, and then OutputFeatures.
func (m *Model) AllFeatures() []Feature {
	var out []Feature
	for _, f := range m.Features {
		if outputTypes[f.Name] == "" {
			out = append(out, f)
		}
	}
	return append(out, m.OutputFeatures()...)
}
