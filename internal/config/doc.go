// Package config reads the YAML file that says what streammon monitors.
//
// It is strict: an unknown key, a value of the wrong type or out of its range,
// and a contradiction between keys are violations, and Parse returns all of them
// at once, each with its line, column and path, what was found, what is allowed,
// and for a misspelt word what was probably meant. A Config that is returned is
// whole: every default is applied and every rule holds.
//
// It opens no connection and reads no other file; of the files that a config
// names it only sees whether they are there. What a reference says is checked
// elsewhere.
//
// Where text is wanted a number or boolean counts as it is written (a boolean in
// lower case), so that "positive: 1" is the label "1".
package config
