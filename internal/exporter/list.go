package exporter

// Label is how a name from the config appears as the value of a label: long ones are cut, and control characters replaced.
func Label(name string) string { return label(name) }
