package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Load reads and checks the config file at path. The error is Violations if the
// file itself could be read.
func Load(path string) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// LoadForProfile is Load for building the profile that the config refers to: the
// files of the references need not be there.
func LoadForProfile(path string) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return parse(&reader{file: path, withoutReferences: true}, data)
}

// readFile reads no more than it takes to see that a file is too large.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("load config: %w", err)
	}
	return data, nil
}

// Parse checks the config in data. The name is its file's: it appears in messages,
// and relative file names are relative to its folder. The error is Violations.
//
// Variables ${NAME} are taken from the environment.
func Parse(name string, data []byte) (*Config, error) {
	return parse(&reader{file: name}, data)
}

func parse(r *reader, data []byte) (*Config, error) {
	r.dir, r.keys = filepath.Dir(r.file), map[string]bool{}
	c := defaults()
	if root := r.document(data); root != nil {
		object(value{r: r, n: root}, topKeys, c)
		r.check(c)
	}
	if v := r.sorted(); len(v) > 0 {
		return nil, v
	}
	c.warnings, c.text = r.warnings, string(data)
	return c, nil
}
