package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/azure"
	"github.com/go-dmap/dmap/source/cloud/gcs"
)

// The public emulators of Google Cloud Storage and of Azure Blob Storage.
const (
	fakeGCSModule  = "github.com/fsouza/fake-gcs-server"
	fakeGCSVersion = "v1.56.1"
	azuriteVersion = "3.35.0" // the last that runs on Node 20
	azureAccount   = "dmap"
)

// azureKey is the key of the account, which a child process shares with its test.
var azureKey = func() string {
	sum := sha256.Sum256([]byte(secretKey))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

// emulator is an emulated cloud.
type emulator struct {
	name     string
	server   func() (*server, error) // started on first use
	place    func(address, bucket string) string
	create   func(ctx context.Context, b *blob.Bucket, name string) error // the bucket itself
	features source.StoreFeatures
}

func emulators() []emulator {
	return []emulator{
		{"gcs", fakeGCS, gcsPlace, createGCS, gcs.Store()},
		{"azure", azurite, azurePlace, createAzure, azure.Store()},
	}
}

// onEachEmulator runs test on every emulated cloud, in parallel subtests.
func onEachEmulator(t *testing.T, test func(t *testing.T, e emulator)) {
	for _, e := range emulators() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// start returns the address of the server. A server that cannot start fails the test, except that
// a machine without npm skips it; in CI that fails, too.
func (e emulator) start(t *testing.T) string {
	t.Helper()
	s, err := e.server()
	if errors.Is(err, errNoNPM) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("start the emulator of %s: %v", e.name, err)
	}
	return s.url
}

// bucket creates a bucket and returns its place and the bucket.
func (e emulator) bucket(t *testing.T) (place string, b *blob.Bucket) {
	t.Helper()
	address, name := e.start(t), bucketName(t)
	place = e.place(address, name)
	b = e.open(t, place)
	require.NoError(t, e.create(t.Context(), b, name))
	return place, b
}

func (e emulator) open(t *testing.T, place string) *blob.Bucket {
	t.Helper()
	b, err := openPlace(t.Context(), place)
	require.NoError(t, err)
	return closeAtEnd(t, b)
}

// crashPlace returns a new bucket for runs of child processes.
func (e emulator) crashPlace(t *testing.T) crashPlace {
	place, b := e.bucket(t)
	return crashPlace{name: e.name, url: place, bucket: b}
}

var fakeGCS = sync.OnceValues(func() (*server, error) {
	binary, err := goProgram(fakeGCSModule, fakeGCSVersion)
	if err != nil {
		return nil, err
	}
	ours := "ours-" + strings.ToLower(rand.Text()) // a bucket of this server only
	command := func(port string) guarded {
		return guarded{Dirs: []string{"data/" + ours}, Args: []string{
			binary, "-scheme", "http", "-host", "127.0.0.1", "-port", port, "-public-host", "127.0.0.1:" + port,
			"-backend", "memory", "-data", "{dir}/data", "-log-level", "error",
		}}
	}
	return startServer(command, nil, "/storage/v1/b", func(url string) error {
		return answersOK(url + "/storage/v1/b/" + ours)
	})
})

func answersOK(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

var errNoNPM = errors.New("npm is not installed: the emulator of Azure comes from npm")

var azurite = sync.OnceValues(func() (*server, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, errNoNPM
	}
	main := filepath.Join("node_modules", "azurite", "dist", "src", "blob", "main.js")
	dir, err := installed("azurite@"+azuriteVersion, main, func(dir string) error {
		install := exec.Command(npm, "install", "--prefix", dir, "--no-save", "--no-package-lock", "--ignore-scripts",
			"--omit=dev", "--no-audit", "--no-fund", "azurite@"+azuriteVersion)
		if out, err := install.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w (the first run needs a package registry)\n%s", install, err, out)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	command := func(port string) guarded {
		return guarded{Args: []string{
			"node", filepath.Join(dir, main), "--blobPort", port, "--inMemoryPersistence",
			"--silent", "--skipApiVersionCheck", "--disableProductStyleUrl", "--disableTelemetry",
		}}
	}
	env := []string{"AZURITE_ACCOUNTS=" + azureAccount + ":" + azureKey}
	return startServer(command, env, "/", func(url string) error { // a server of another process does not accept the key
		b, err := openPlace(context.Background(), azurePlace(url, "ours"))
		if err != nil {
			return err
		}
		defer func() { _ = b.Close() }()
		return createAzure(context.Background(), b, "ours")
	})
})

// gcsPlace is the URL of a bucket with a parameter of our own: the host of the emulator, which the
// SDK reads from the environment.
func gcsPlace(address, bucket string) string {
	return "gs://" + bucket + "?" + url.Values{"emulator": {strings.TrimPrefix(address, "http://")}}.Encode()
}

func azurePlace(address, bucket string) string {
	return "azblob://" + bucket + "?" + url.Values{
		"protocol": {"http"}, "domain": {strings.TrimPrefix(address, "http://")}, "localemu": {"true"},
	}.Encode()
}

// environment guards the variables of the SDKs while a bucket is opened.
var environment sync.Mutex

func openGCS(ctx context.Context, place string) (*blob.Bucket, error) {
	at, query, _ := strings.Cut(place, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	environment.Lock()
	defer environment.Unlock()
	if err := os.Setenv("STORAGE_EMULATOR_HOST", values.Get("emulator")); err != nil { // by several tests at once
		return nil, err
	}
	defer os.Unsetenv("STORAGE_EMULATOR_HOST")
	return gcs.OpenBucket(ctx, at, gcs.Options{Calls: 100})
}

func openAzure(ctx context.Context, place string) (*blob.Bucket, error) {
	return azure.OpenBucket(ctx, place, azure.Options{Calls: 100})
}

func createGCS(ctx context.Context, b *blob.Bucket, name string) error {
	var client *storage.Client
	if !b.As(&client) {
		return errors.New("not a bucket of GCS")
	}
	return client.Bucket(name).Create(ctx, "project", nil)
}

func createAzure(ctx context.Context, b *blob.Bucket, _ string) error {
	var client *container.Client
	if !b.As(&client) {
		return errors.New("not a container of Azure")
	}
	_, err := client.Create(ctx, nil)
	return err
}

// featuresOf returns the features of an emulated cloud, by the type of its bucket.
func featuresOf(b *blob.Bucket) source.StoreFeatures {
	var google *storage.Client
	var microsoft *container.Client
	switch {
	case b.As(&google):
		return gcs.Store()
	case b.As(&microsoft):
		return azure.Store()
	default:
		return source.StoreFeatures{}
	}
}

// stringSink is the sink of runs with texts as results.
func stringSink(b *blob.Bucket) dmap.Sink[string] { return sink.Bucket[string](b, "runs") }

// intSink is the sink of runs with numbers as results.
func intSink(b *blob.Bucket) dmap.Sink[int] { return sink.Bucket[int](b, "runs") }
