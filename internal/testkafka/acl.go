package testkafka

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// LimitedUser and LimitedPassword are accepted by the SASL listeners (PLAIN) of real brokers
// that check access. The user may do nothing but what Allow lets him.
const (
	LimitedUser     = "bob"
	LimitedPassword = "bob-secret"
)

// Allowed is one thing that a user may do.
type Allowed struct {
	Kind      kmsg.ACLResourceType
	Name      string
	Operation kmsg.ACLOperation
}

// NeedsACLs skips the test if the broker does not check access.
func (b Broker) NeedsACLs(t testing.TB) {
	t.Helper()
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	req.Operation, req.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	res, err := req.RequestWith(context.Background(), b.Client(t))
	if err == nil {
		err = kerr.ErrorForCode(res.ErrorCode)
	}
	if errors.Is(err, kerr.SecurityDisabled) {
		t.Skip("needs a real Kafka that checks access (test/kafka.sh start --sasl --acl)")
	}
	if err != nil {
		t.Fatalf("describe ACLs: %v", err)
	}
}

// Allow lets LimitedUser do things until the test ends.
func (b Broker) Allow(t testing.TB, all ...Allowed) {
	t.Helper()
	req := kmsg.NewPtrCreateACLsRequest()
	for _, a := range all {
		c := kmsg.NewCreateACLsRequestCreation()
		c.ResourceType, c.ResourceName, c.ResourcePatternType = a.Kind, a.Name, kmsg.ACLResourcePatternTypeLiteral
		c.Principal, c.Host, c.Operation, c.PermissionType = "User:"+LimitedUser, "*", a.Operation, kmsg.ACLPermissionTypeAllow
		req.Creations = append(req.Creations, c)
	}
	if len(all) == 0 {
		return
	}
	res, err := req.RequestWith(context.Background(), b.Client(t))
	if err != nil {
		t.Fatalf("create ACLs: %v", err)
	}
	for _, r := range res.Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			t.Fatalf("create ACL: %v", err)
		}
	}
	t.Cleanup(func() { b.Forbid(t, all...) })
}

// Forbid takes back what Allow gave.
func (b Broker) Forbid(t testing.TB, all ...Allowed) {
	t.Helper()
	req := kmsg.NewPtrDeleteACLsRequest()
	for _, a := range all {
		f := kmsg.NewDeleteACLsRequestFilter()
		user := "User:" + LimitedUser
		f.ResourceType, f.ResourceName, f.ResourcePatternType = a.Kind, &a.Name, kmsg.ACLResourcePatternTypeLiteral
		f.Principal, f.Operation, f.PermissionType = &user, a.Operation, kmsg.ACLPermissionTypeAllow
		req.Filters = append(req.Filters, f)
	}
	if _, err := req.RequestWith(context.Background(), b.Client(t)); err != nil {
		t.Logf("delete ACLs: %v", err)
	}
}
