package faults

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAccess takes a right away from the program: readiness names what it is for, and once it is
// given the program becomes ready without a restart.
func TestAccess(t *testing.T) {
	testkafka.Real(t, func(t *testing.T, b testkafka.Broker) {
		address := b.Secure(t, testkafka.SASL)
		b.NeedsACLs(t)
		topic := b.CreateTopic(t, 1, nil)
		for _, missing := range []string{"topic", "group"} {
			t.Run(missing, func(t *testing.T) {
				group := testkafka.Name(t)
				rights := map[string]testkafka.Allowed{
					"topic": {Kind: kmsg.ACLResourceTypeTopic, Name: topic, Operation: kmsg.ACLOperationRead},
					"group": {Kind: kmsg.ACLResourceTypeGroup, Name: group, Operation: kmsg.ACLOperationRead},
				}
				for what, right := range rights {
					if what != missing {
						b.Allow(t, right)
					}
				}
				if missing == "topic" { // it is there, and may not be read
					b.Allow(t, testkafka.Allowed{Kind: kmsg.ACLResourceTypeTopic, Name: topic, Operation: kmsg.ACLOperationDescribe})
				}
				c := &canary{dir: t.TempDir()}
				config := c.write(t, "config.yaml", fmt.Sprintf(`kafka:
  brokers: ["%s"]
  group: %s
  sasl: {mechanism: PLAIN, username: %s, password: %s, insecure: true}
state: {dir: %s}
windows: [1m]
models: [{name: m, topics: {predictions: %s}, features: {a: numeric}}]
`, address, group, testkafka.LimitedUser, testkafka.LimitedPassword, filepath.Join(c.dir, "state"), topic))
				p := run(t, nil, "--config.file="+config)
				var why string
				await(t, 20*time.Second, "the reason", func() bool {
					_, why = p.get("/-/ready")
					return strings.Contains(why, rights[missing].Name) && strings.Contains(why, "Authorization Failed")
				})
				t.Log(strings.TrimSpace(why))
				b.Allow(t, rights[missing])
				p.awaitReady(t, 20*time.Second)
				await(t, 20*time.Second, "exporting", func() bool { n, _ := p.metric("streammon_exporting", ""); return n == 1 })
				p.terminate(t)
			})
		}
	})
}
