"""Values that the chart is rendered with, one row an option: on, or otherwise than by default."""

from typing import Any

S3 = {"driver": "s3", "s3": {"bucket": "files", "existingSecret": "keys", "endpoint": "https://s3"}}
ISSUER = {"enabled": True, "issuerRef": {"name": "letters"}}
POLICIES = {
    "canaryFirst": {"enabled": True},
    "freeze": {"enabled": True, "exemptGroups": ["release-captains"]},
    "artifactHosts": {"enabled": True, "allowed": ["files.example.org"]},
    "approvers": {"enabled": True, "groups": ["fleet-admins"]},
}

TABLE: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one operator": {"operator": {"replicas": 1}},
    "three facades over a bucket": {"facade": {"replicas": 3}, "artifacts": S3},
    "a bucket without keys": {"artifacts": {"driver": "s3", "s3": {"bucket": "files"}}},
    "two facades over a shared volume": {
        "facade": {"replicas": 2},
        "artifacts": {"persistence": {"accessModes": ["ReadWriteMany"], "storageClass": "nfs"}},
    },
    "a claim that exists": {"artifacts": {"persistence": {"existingClaim": "mine"}}},
    "no storage class": {"artifacts": {"persistence": {"storageClass": "-"}}},
    "no volume": {"artifacts": {"persistence": {"enabled": False}}},
    "autoscaling": {"facade": {"autoscaling": {"enabled": True}}, "artifacts": S3},
    "autoscaling with behaviour": {
        "facade": {
            "autoscaling": {
                "enabled": True,
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
            }
        },
        "artifacts": S3,
    },
    "no pause before the end": {"facade": {"preStopSeconds": 0}},
    "no budgets": {
        "facade": {"podDisruptionBudget": {"enabled": False}},
        "operator": {"podDisruptionBudget": {"enabled": False}},
    },
    "a budget in percent": {"operator": {"podDisruptionBudget": {"maxUnavailable": "50%"}}},
    "no administrator": {"administrator": {"enabled": False}},
    "an administrator's Secret": {"administrator": {"existingSecret": "mine", "user": "ann"}},
    "a node port": {"service": {"type": "NodePort", "nodePort": 30080}},
    "a load balancer": {"service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}},
    "both families": {
        "service": {"ipFamilyPolicy": "PreferDualStack", "port": 8080},
        "facade": {"listen": "::"},
        "operator": {"listen": "::"},
    },
    "an ingress": {"ingress": {"enabled": True, "hosts": ["fleet.example.org"]}},
    "an ingress with a Secret": {
        "ingress": {"enabled": True, "hosts": ["fleet.example.org"], "className": "nginx"},
        "tls": {"secretName": "mine"},
    },
    "an ingress by cert-manager": {
        "ingress": {"enabled": True, "hosts": ["a.example.org", "b.example.org"]},
        "tls": {"certManager": ISSUER},
    },
    "a route": {
        "gateway": {
            "enabled": True,
            "parentRefs": [{"name": "public", "namespace": "gateways"}],
            "hostnames": ["fleet.example.org"],
        }
    },
    "ingress and route by cert-manager": {
        "ingress": {"enabled": True, "hosts": ["fleet.example.org"]},
        "gateway": {
            "enabled": True,
            "parentRefs": [{"name": "public"}],
            "hostnames": ["fleet.example.org"],
        },
        "tls": {"certManager": ISSUER},
    },
    "network policies": {"networkPolicy": {"enabled": True}},
    "narrow network policies": {
        "networkPolicy": {
            "enabled": True,
            "clients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
            "apiServer": [{"ipBlock": {"cidr": "10.96.0.1/32"}}],
            "extraEgress": [{"ports": [{"port": 9000}]}],
        }
    },
    "a domain for applications": {"applications": {"domain": "apps.example.org"}},
    "settings of both": {
        "settings": {"logLevel": "debug", "attributeLabels": ["ring", "site"], "staleAfter": 45},
        "facade": {
            "settings": {
                "maximumBody": 4194304,
                "shutdownTimeout": 7,
                "artifacts": {"maximumSize": 8589934592},
                "trustedProxies": ["10.0.0.0/8", "192.168.0.1"],
                "reports": {"writesPerSecond": 12.5},
                "dialectsOff": ["drogue"],
            }
        },
        "operator": {"settings": {"logLevel": "warning", "operatorWorkers": 4}},
    },
    # `default` is there on every cluster.
    "applications elsewhere": {"settings": {"workloadsNamespace": "default"}},
    "an identity provider": {
        "facade": {
            "settings": {
                "identity": {
                    "oidc": {"issuer": "https://login.example.org", "audiences": ["polyfleet"]},
                    "introspection": {"url": "https://login.example.org/i", "clientId": "p"},
                }
            },
            "settingsSecret": "identity",
        }
    },
    "service accounts": {
        "facade": {
            "settings": {"identity": {"tokenReview": {"accounts": {"ci:robot": ["rdfm_admin_rw"]}}}}
        }
    },
    "an image by digest": {
        "image": {"repository": "registry.example/polyfleet", "digest": "sha256:" + "0" * 64},
    },
    "an image with a pull Secret": {"image": {"tag": "edge", "pullSecrets": ["registry"]}},
    "placement": {
        component: {
            "priorityClassName": "system-cluster-critical",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "fleet", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {}},
            "topologySpreadConstraints": [
                {
                    "maxSkew": 2,
                    "topologyKey": "rack",
                    "whenUnsatisfiable": "DoNotSchedule",
                    "labelSelector": {"matchLabels": {"app.kubernetes.io/component": component}},
                }
            ],
            "podLabels": {"team": "fleet"},
            "podAnnotations": {"note": "a"},
            "serviceAccountAnnotations": {"cloud/role": "fleet"},
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy"}],
            "resources": {"requests": {"cpu": "1"}},
        }
        for component in ("facade", "operator")
    },
    "a volume of one's own": {
        "facade": {
            "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
            "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
        }
    },
    "monitoring": {
        "metrics": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "rules": {"enabled": True, "labels": {"release": "prometheus"}},
            "dashboard": {"enabled": True},
        }
    },
    "access": {"access": {"aggregatedClusterRoles": True, "argocdHealthChecks": True}},
    "policies": {"policies": POLICIES},
}
