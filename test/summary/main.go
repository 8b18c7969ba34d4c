// Command summary reads the output of `go test -json`, prints what failed and what
// each package cost, and fails if a test failed, or was skipped because it wants a
// server: in continuous integration all servers are there.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// line is one event of `go test -json`.
type line struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

type test struct{ pkg, name string }

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: summary FILE")
		os.Exit(2)
	}
	f, err := os.Open(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(1)
	}
	defer f.Close()
	output, count := map[test]*strings.Builder{}, map[string]int{}
	var failed, skipped []test
	type cost struct {
		pkg     string
		seconds float64
	}
	var costs []cost
	s := bufio.NewScanner(f)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		var l line
		if json.Unmarshal(s.Bytes(), &l) != nil {
			fmt.Println(s.Text()) // what is not JSON is a complaint of the tool
			continue
		}
		k := test{cmp.Or(l.Package, l.ImportPath), l.Test}
		switch l.Action {
		case "output", "build-output":
			if output[k] == nil {
				output[k] = &strings.Builder{}
			}
			output[k].WriteString(l.Output)
		case "pass", "fail", "skip", "build-fail":
			if l.Test == "" && l.Action != "build-fail" {
				costs = append(costs, cost{l.Package, l.Elapsed})
			}
			if l.Test != "" {
				count[l.Action]++
			}
			if strings.HasSuffix(l.Action, "fail") {
				failed = append(failed, k)
			}
			if l.Action == "skip" && l.Test != "" {
				skipped = append(skipped, k)
			}
		}
	}
	slices.SortFunc(costs, func(a, b cost) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, c := range costs {
		fmt.Printf("%8.1f s  %s\n", c.seconds, c.pkg)
	}
	for _, k := range failed {
		fmt.Printf("--- FAIL: %s %s\n", k.pkg, k.name)
		if b := output[k]; b != nil {
			fmt.Print(b.String())
		}
	}
	wanting := 0
	for _, k := range skipped {
		out := ""
		if b := output[k]; b != nil {
			out = b.String()
		}
		fmt.Printf("--- SKIP: %s %s\n%s", k.pkg, k.name, out)
		if strings.Contains(out, "needs ") {
			wanting++
		}
	}
	if wanting > 0 {
		fmt.Printf("%d tests were skipped that need what must be here\n", wanting)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", count["pass"], len(failed), count["skip"])
	if len(failed) > 0 || wanting > 0 || count["pass"] == 0 || s.Err() != nil {
		os.Exit(1)
	}
}
