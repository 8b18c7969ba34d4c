package config

import "errors"

// Load reads and checks a config file. The error is Violations if the file could be
// read.
func Load(path string) (*Config, error) { return nil, errors.New("load config: not written yet") }

// LoadForProfile is Load for the building of a profile: the reference need not be there yet.
func LoadForProfile(path string) (*Config, error) { return Load(path) }

// Parse checks a config; name is its file's, for messages and for what relative
// file names are relative to. The error is Violations.
func Parse(name string, data []byte) (*Config, error) { return Load(name) }

// OutputFeatures returns the features that stand for what a model of this task answers.
func (m *Model) OutputFeatures() []Feature { return nil }

// AllFeatures returns the configured features and then the output features.
func (m *Model) AllFeatures() []Feature { return m.Features }
