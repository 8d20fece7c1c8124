package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/metrics"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
)

// settings are those of the command.
type settings struct {
	ip                   string
	port, metrics, pprof int
	database             string
	pragmas              pragmas
}

const (
	clusterName = "active"
	store       = "sqlite"
)

// server is one that the Temporal command would start, with server 1.32.
func (s *settings) server() (temporal.Server, error) {
	conf, err := s.config()
	if err != nil {
		return nil, err
	}
	if err := s.create(conf.Persistence.DataStores[store].SQL); err != nil {
		return nil, err
	}
	hosts := map[primitives.ServiceName]static.Hosts{}
	for _, name := range []primitives.ServiceName{
		primitives.FrontendService, primitives.MatchingService, primitives.HistoryService, primitives.WorkerService,
	} {
		hosts[name] = static.SingleLocalHost(fmt.Sprintf("%s:%d", s.ip, conf.Services[string(name)].RPC.GRPCPort))
	}
	logger := log.NewNoopLogger()
	claims, err := authorization.GetClaimMapperFromConfig(&conf.Global.Authorization, logger)
	if err != nil {
		return nil, err
	}
	return temporal.NewServer(
		temporal.WithConfig(conf),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamicconfig.StaticClient{dynamicconfig.HistoryCacheHostLevelMaxSize.Key(): 8096}),
	)
}

func (s *settings) config() (*config.Config, error) {
	conf := new(config.Config)
	conf.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: s.ip}
	conf.Global.PProf = config.PProf{Port: s.pprof}
	if s.metrics > 0 {
		conf.Global.Metrics = &metrics.Config{Prometheus: &metrics.PrometheusConfig{
			ListenAddress: fmt.Sprintf("%s:%d", s.ip, s.metrics), HandlerPath: "/metrics",
		}}
	}
	sql := &config.SQL{PluginName: sqliteplugin.PluginName, DatabaseName: s.database, ConnectAttributes: map[string]string{"mode": "rwc"}}
	for name, value := range s.pragmas {
		sql.ConnectAttributes[name] = value
	}
	conf.Persistence = config.Persistence{
		DefaultStore: store, VisibilityStore: store, NumHistoryShards: 1,
		DataStores: map[string]config.DataStore{store: {SQL: sql}},
	}
	frontend := fmt.Sprintf("%s:%d", s.ip, s.port)
	conf.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{
			clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend},
		},
	}
	conf.DCRedirectionPolicy.Policy = "noop"
	conf.Archival.History.State, conf.Archival.Visibility.State = "disabled", "disabled"
	conf.NamespaceDefaults.Archival.History.State = "disabled"
	conf.NamespaceDefaults.Archival.Visibility.State = "disabled"
	conf.PublicClient.HostPort = frontend
	return conf, s.services(conf)
}

// services gives all services a port.
func (s *settings) services(conf *config.Config) error {
	conf.Services = map[string]config.Service{}
	for _, name := range []string{"frontend", "history", "matching", "worker"} {
		port := s.port
		if name != "frontend" {
			free, err := net.Listen("tcp", s.ip+":0")
			if err != nil {
				return err
			}
			defer free.Close() // all have different ports
			port = free.Addr().(*net.TCPAddr).Port
		}
		conf.Services[name] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: s.ip}}
	}
	return nil
}

// create makes the database, unless the file exists.
func (s *settings) create(sql *config.SQL) error {
	if _, err := os.Stat(s.database); os.IsNotExist(err) {
		if err := sqlite.SetupSchema(sql); err != nil {
			return err
		}
	}
	namespace, err := sqlite.NewNamespaceConfig(clusterName, "default", false, nil)
	if err != nil {
		return err
	}
	return sqlite.CreateNamespaces(sql, namespace)
}
