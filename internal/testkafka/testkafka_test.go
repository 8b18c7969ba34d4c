package testkafka

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := parse("3.9.2=h:1,i:2; 4.4.0=j:3;", "4.4.0=/tls")
	if err != nil {
		t.Fatal(err)
	}
	want := []Broker{
		{Version: "3.9.2", Bootstrap: []string{"h:1", "i:2"}},
		{Version: "4.4.0", Bootstrap: []string{"j:3"}, tls: "/tls"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Broker{})); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"4.4.0", "=h:1", "4.4.0="} {
		if _, err := parse(bad, ""); err == nil {
			t.Errorf("parse(%q) gave no error", bad)
		}
	}
}

func TestSecureAddress(t *testing.T) {
	b := Broker{Bootstrap: []string{"127.0.0.1:19092"}, tls: "/tls"}
	if got := b.Secure(t, SASLTLS); got != "127.0.0.1:19097" {
		t.Errorf("address %s", got)
	}
}
