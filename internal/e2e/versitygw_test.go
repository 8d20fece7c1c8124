package e2e

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"

	"gocloud.dev/blob"
)

// The S3 server that the tests run against, installed once per machine and Go version.
const (
	gatewayModule  = "github.com/versity/versitygw/cmd/versitygw"
	gatewayVersion = "v1.8.0"
)

// accessKey and secretKey are new in each process, so that a test cannot use the server of another
// process. A child process shares the keys of its test.
var accessKey, secretKey = keys()

const keysEnv = "DMAP_E2E_KEYS"

func keys() (access, secret string) {
	if access, secret, shared := strings.Cut(os.Getenv(keysEnv), " "); shared {
		return access, secret
	}
	return rand.Text(), rand.Text()
}

// gateway is the server of this process, started on first use.
var gateway = sync.OnceValues(startGateway)

// gatewayURL returns the address of the server. If the server cannot be installed or started, the
// test fails.
func gatewayURL(t *testing.T) string {
	t.Helper()
	s, err := gateway()
	if err != nil {
		t.Fatalf("start versitygw: %v", err)
	}
	return s.url
}

func startGateway() (*server, error) {
	binary, err := goProgram(gatewayModule, gatewayVersion)
	if err != nil {
		return nil, err
	}
	// Store metadata in files: not every temporary folder supports extended attributes.
	command := func(port string) guarded {
		return guarded{Dirs: []string{"buckets", "meta"}, Args: []string{
			binary, "--port", "127.0.0.1:" + port, "--quiet", "--keep-alive", "--health", "/health",
			"posix", "--sidecar", "{dir}/meta", "{dir}/buckets",
		}}
	}
	env := []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey}
	return startServer(command, env, "/health", acceptsKeys)
}

// acceptsKeys checks that the server accepts our keys: a server of another process would not.
func acceptsKeys(url string) error {
	b, err := blob.OpenBucket(context.Background(), s3URL(url, "no-such-bucket"))
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	_, err = b.IsAccessible(context.Background())
	return err
}
