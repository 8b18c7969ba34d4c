package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares text with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return names
}

// TestBad reads each bad config and compares all its messages.
func TestBad(t *testing.T) {
	t.Setenv("STREAMMON_TEST_EMPTY", "")
	t.Setenv("STREAMMON_TEST_SECRET", "hunter2")
	names := files(t, "testdata/bad/*.yaml")
	if len(names) < 100 {
		t.Errorf("only %d bad configs", len(names))
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			c, err := Load(name)
			v, ok := err.(Violations) //nolint:errorlint // it is to be that type
			if c != nil || !ok || len(v) == 0 {
				t.Fatalf("Load gave %v and the error %v", c, err)
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".err", v.Error()+"\n")
		})
	}
}

// TestGood reads each good config and compares the resolved struct and the warnings.
func TestGood(t *testing.T) {
	t.Setenv("STREAMMON_TEST_BROKER", "kafka-2:9093")
	t.Setenv("STREAMMON_TEST_SECRET", "hunter2")
	for _, name := range files(t, "testdata/good/*.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			c, err := Load(name)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			dump(&b, "", reflect.ValueOf(c).Elem())
			for i := range c.Models {
				for _, f := range c.Models[i].AllFeatures() {
					fmt.Fprintf(&b, "# Models[%d].AllFeatures: %s %s\n", i, f.Name, f.Type)
				}
			}
			for _, w := range c.Warnings() {
				fmt.Fprintf(&b, "# warning: %s\n", w)
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".golden", b.String())
		})
	}
}

// dump writes a value as one line a leaf. What is unexported is left out.
func dump(b *strings.Builder, path string, v reflect.Value) {
	switch x := v.Interface().(type) {
	case time.Duration:
		fmt.Fprintf(b, "%s = %s\n", path, x)
		return
	case time.Time:
		fmt.Fprintf(b, "%s = %s\n", path, x.Format(time.RFC3339Nano))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				dump(b, strings.TrimPrefix(path+"."+f.Name, "."), v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Len() == 0 {
			fmt.Fprintf(b, "%s = []\n", path)
		}
		for i := range v.Len() {
			dump(b, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			dump(b, fmt.Sprintf("%s[%q]", path, k), v.MapIndex(k))
		}
	case reflect.Pointer:
		if v.IsNil() {
			fmt.Fprintf(b, "%s = nil\n", path)
			return
		}
		dump(b, path, v.Elem())
	case reflect.String:
		fmt.Fprintf(b, "%s = %q\n", path, v)
	default:
		fmt.Fprintf(b, "%s = %v\n", path, v)
	}
}
