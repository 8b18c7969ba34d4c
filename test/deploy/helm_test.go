package deploy

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

const chart = "deploy/helm/streammon"

// kubeVersion is what helm takes the cluster for; what `go install` builds knows none that is in use.
const kubeVersion = "--kube-version=1.31.0"

// full has everything that the chart can make but for ServiceMonitor, which excludes PodMonitor.
var full = []string{
	"--set=podMonitor.enabled=true", "--set=podMonitor.labels.release=prometheus", "--set=prometheusRule.enabled=true", "--set=dashboards.enabled=true",
	"--set=profiles.configMap=fraud-profiles", "--set=environmentSecret=kafka", "--set=web.configSecret=web", "--set=web.scheme=https",
	"--set=nodeSelector.disk=ssd", "--set=podLabels.team=ml", "--set=podAnnotations.a=b", "--set=cpu.limit=2", "--set=priorityClassName=high",
	"--set=imagePullSecrets[0].name=registry", "--set=tolerations[0].key=ml", "--set=tolerations[0].operator=Exists", "--set=serviceAccount.annotations.a=b",
	"--set=extraArgs[0]=--web.enable-lifecycle", "--set=state.storageClass=fast", "--set=service.annotations.a=b",
	"--set=extraVolumes[0].name=tls", "--set=extraVolumes[0].secret.secretName=tls", "--set=extraVolumeMounts[0].name=tls", "--set=extraVolumeMounts[0].mountPath=/etc/tls",
	"--set=networkPolicy.kafkaTo[0].ipBlock.cidr=10.0.0.0/8",
	"--set=affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key=metadata.name",
	"--set=affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].operator=Exists",
}

// object is what all objects of Kubernetes have, and the little that tests look at.
type object struct {
	APIVersion, Kind string
	Metadata         struct{ Name, Namespace string }
	Data             map[string]string
	text             string
}

// template renders the chart.
func template(t *testing.T, values ...string) (objects []object) {
	t.Helper()
	text := run(t, tool(t, "helm"), append([]string{"template", "try", chart, "--namespace=ml", kubeVersion}, values...)...)
	for _, doc := range strings.Split("\n"+text, "\n---\n") {
		o := object{text: doc}
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if o.Kind != "" {
			objects = append(objects, o)
		}
	}
	return objects
}

// TestChart: helm's lint is content, with the default values and with all of them.
func TestChart(t *testing.T) {
	helm := tool(t, "helm")
	run(t, "make", "-s", "chart")
	run(t, helm, "lint", "--strict", kubeVersion, chart)
	run(t, helm, append([]string{"lint", "--strict", kubeVersion, chart}, full...)...)
	for value, why := range map[string]string{
		"replicas=0":                    "/replicas",
		"config.models=null":            "models",
		"config.state.dir=/tmp":         "/config/state",
		"memoryBudgetMiB=1Gi":           "/memoryBudgetMiB",
		"typo=1":                        "typo",
		"podMonitor.interval=often":     "/podMonitor/interval",
		"networkPolicy.kafkaPorts[0]=0": "/networkPolicy/kafkaPorts/0",
	} {
		fails(t, why, helm, "template", "try", chart, kubeVersion, "--set", value)
	}
	fails(t, "scrape everything twice", helm, "template", "try", chart, kubeVersion, "--set=podMonitor.enabled=true", "--set=serviceMonitor.enabled=true")
}

// TestChartObjects: Kubernetes' schemas have the objects of the chart, and the operator's types those for Prometheus.
func TestChartObjects(t *testing.T) {
	validate := tool(t, "kubernetes-validate")
	run(t, "make", "-s", "chart")
	for name, values := range map[string][]string{
		"default": nil, "full": full, "without state": {"--set=state.persistent=false", "--set=networkPolicy.enabled=false", "--set=podDisruptionBudget.enabled=false"},
		"service monitor": {"--set=serviceMonitor.enabled=true"},
		// Texts that YAML would take for numbers, and numbers that a template would write as fractions.
		"numbers": {
			"--set-string=environmentSecret=123,priorityClassName=true,profiles.configMap=456,web.configSecret=789,state.storageClass=1e3",
			"--set-json=terminationGracePeriodSeconds=1000000", "--set-json=memoryBudgetMiB=2000000",
		},
		"users": {
			"--set=podMonitor.enabled=true", `--set-json=podMonitor.endpoint={"basicAuth":{"username":{"name":"web","key":"user"},"password":{"name":"web","key":"password"}}}`,
		},
		"TLS": {"--set=serviceMonitor.enabled=true", "--set=web.scheme=https", "--set=serviceMonitor.endpoint.tlsConfig.ca.secret.name=ca", "--set=serviceMonitor.endpoint.tlsConfig.ca.secret.key=crt"},
	} {
		t.Run(name, func(t *testing.T) {
			var core []string
			kinds := map[string]int{}
			for _, o := range template(t, values...) {
				if kinds[o.Kind]++; o.Metadata.Namespace != "ml" || len(o.Metadata.Name) > 63 {
					t.Errorf("%s %s is in namespace %q", o.Kind, o.Metadata.Name, o.Metadata.Namespace)
				}
				if strings.HasPrefix(o.APIVersion, monitoring.SchemeGroupVersion.Group+"/") {
					checkOperator(t, o)
				} else {
					core = append(core, o.text)
				}
			}
			file := write(t, "objects.yaml", strings.Join(core, "\n---\n"))
			for _, version := range []string{"1.25", "1.37"} {
				run(t, validate, "--strict", "--kubernetes-version="+version, file)
			}
			t.Log(kinds)
			if kinds["StatefulSet"] != 1 || kinds["Service"] != 1 || name == "full" && (kinds["PodMonitor"] != 1 || kinds["NetworkPolicy"] != 1 || kinds["PodDisruptionBudget"] != 1) {
				t.Errorf("the objects are %v", kinds)
			}
		})
	}
	wrong := write(t, "objects.yaml", strings.Replace(template(t)[0].text, "metadata:", "metadatum: 1\nmetadata:", 1))
	fails(t, "metadatum", validate, "--strict", wrong)
}

// checkOperator: the operator's own types have each field of an object.
func checkOperator(t *testing.T, o object) {
	t.Helper()
	var into any
	switch o.Kind {
	case "PodMonitor":
		into = &monitoring.PodMonitor{}
	case "ServiceMonitor":
		into = &monitoring.ServiceMonitor{}
	case "PrometheusRule":
		into = &monitoring.PrometheusRule{}
	default:
		t.Fatalf("an unknown kind, %s", o.Kind)
	}
	if err := yaml.UnmarshalStrict([]byte(o.text), into); err != nil {
		t.Errorf("%s: %v", o.Metadata.Name, err)
	}
}

// TestChartHasRulesAndDashboards: those of the chart are the repository's, all of them and unchanged.
func TestChartHasRulesAndDashboards(t *testing.T) {
	tool(t, "helm")
	run(t, "make", "-s", "chart")
	rules, dashboards := map[string]object{}, map[string]object{}
	for _, o := range template(t, "--set=prometheusRule.enabled=true", "--set=dashboards.enabled=true") {
		switch {
		case o.Kind == "PrometheusRule":
			rules[o.Metadata.Name] = o
		case len(o.Data) == 1:
			for name := range o.Data {
				dashboards[name] = o
			}
		}
	}
	names := glob(t, "dashboards/*.json")
	if len(names) == 0 {
		t.Error("there are no dashboards")
	}
	for _, name := range names {
		if strings.TrimSpace(dashboards[path.Base(name)].Data[path.Base(name)]) != strings.TrimSpace(read(t, name)) {
			t.Errorf("the chart's %s is another", name)
		}
	}
	files := glob(t, "deploy/prometheus/rules/*.yml")
	if len(files) == 0 || len(files) != len(rules) {
		t.Errorf("%d files of rules make %d objects", len(files), len(rules))
	}
	for _, name := range files {
		o := rules["try-streammon-"+strings.ReplaceAll(strings.TrimSuffix(path.Base(name), ".yml"), "_", "-")]
		var has struct{ Spec struct{ Groups any } }
		var want struct{ Groups any }
		for text, into := range map[string]any{o.text: &has, read(t, name): &want} {
			if err := yaml.Unmarshal([]byte(text), into); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := canonical(t, has.Spec.Groups), canonical(t, want.Groups); a != b || a == "null\n" {
			t.Errorf("the chart's %s is another", name)
		}
	}
}

func canonical(t *testing.T, v any) string {
	t.Helper()
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestChartConfig: streammon takes the config that the chart makes, and its container has memory for what that takes.
func TestChartConfig(t *testing.T) {
	streammon := binary(t)
	for _, o := range template(t) {
		if text, ok := o.Data["streammon.yaml"]; ok {
			if !strings.Contains(text, "dir: /var/lib/streammon/state") {
				t.Errorf("the state has no place:\n%s", text)
			}
			out := run(t, streammon, "check", write(t, "streammon.yaml", text))
			most := regexp.MustCompile(`at most (\d+) MiB`).FindStringSubmatch(out)
			if most == nil {
				t.Fatalf("check does not say what the config takes:\n%s", out)
			}
			if n, _ := strconv.Atoi(most[1]); n > 1024 {
				t.Errorf("the default config takes %d MiB, more than the default budget", n)
			}
		}
		if o.Kind != "StatefulSet" {
			continue
		}
		var set struct {
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct {
							Resources       struct{ Requests, Limits map[string]string }
							SecurityContext struct{ ReadOnlyRootFilesystem, AllowPrivilegeEscalation *bool }
						}
						SecurityContext struct{ RunAsNonRoot bool }
					}
				}
			}
		}
		if err := yaml.Unmarshal([]byte(o.text), &set); err != nil {
			t.Fatal(err)
		}
		c := set.Spec.Template.Spec.Containers[0]
		limit, err := strconv.Atoi(strings.TrimSuffix(c.Resources.Limits["memory"], "Mi"))
		if err != nil || limit != 1280 || c.Resources.Requests["memory"] != c.Resources.Limits["memory"] {
			t.Errorf("the budget of 1024 MiB makes the resources %v", c.Resources)
		}
		if s := c.SecurityContext; !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !set.Spec.Template.Spec.SecurityContext.RunAsNonRoot {
			t.Errorf("the container may do more than it needs:\n%s", o.text)
		}
	}
}

// TestPackagedChart: a package of the chart has its rules and dashboards.
func TestPackagedChart(t *testing.T) {
	helm, dir := tool(t, "helm"), t.TempDir()
	run(t, "make", "-s", "chart")
	run(t, helm, "package", "-d", dir, chart)
	names, _ := filepath.Glob(filepath.Join(dir, "streammon-*.tgz"))
	if len(names) != 1 {
		t.Fatalf("helm package makes %v", names)
	}
	if info, err := os.Stat(names[0]); err != nil || info.Size() > 700<<10 {
		t.Errorf("a release with this chart would not fit a Secret: %d bytes, %v", info.Size(), err)
	}
	run(t, helm, append([]string{"template", "try", names[0], kubeVersion}, full...)...)
}
