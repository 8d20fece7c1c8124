package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/go-dmap/dmap/internal/testsize"
)

// repetitions returns how often a test repeats a random case: often in `make long`, seldom with
// -short.
func repetitions(short, usual, long int) int {
	return testsize.Sizes{Short: short, Usual: usual, Long: long}.Now()
}

// stride returns the distance between the tested cases of an exhaustive test, one of sizes, and the
// first case, from 1.
func stride(t *testing.T, sizes testsize.Sizes) (first, stride int) {
	t.Helper()
	stride = sizes.Step()
	first = 1 + rand.IntN(stride)
	t.Logf("make long tests every case; this run starts at case %d with stride %d", first, stride)
	return first, stride
}

func TestMain(m *testing.M) {
	if command := os.Getenv(guardEnv); command != "" {
		if err := guard(command); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if input := os.Getenv(hostileEnv); input != "" {
		var number int
		var folder string
		_, err := fmt.Sscanf(input, "%d %s", &number, &folder)
		if err == nil {
			err = runHostile(number, folder)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// gocloud opens buckets by URL with credentials from the environment, as in a user's program.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
		"AZURE_STORAGE_ACCOUNT": azureAccount, "AZURE_STORAGE_KEY": azureKey, "AZURE_STORAGE_SAS_TOKEN": "",
		"AZURE_STORAGE_CONNECTION_STRING": "", "AZURE_STORAGEBLOB_CONNECTIONSTRING": "", "STORAGE_EMULATOR_HOST": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	flag.Parse()
	// Most of the parallel tests wait for a server.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		if err := parallel.Value.Set("8"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	for _, stop := range stops {
		stop()
	}
	if code == 0 {
		// The SDK keeps idle connections and offers no way to close them.
		if err := goleak.Find(
			goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
			goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// skipWithRaceDetector skips what make test runs without the race detector: it waits for servers in
// other processes, and takes several times as long with it.
func skipWithRaceDetector(t *testing.T) {
	t.Helper()
	if testsize.RaceDetector {
		t.Skip("too slow with the race detector: make test runs it without")
	}
}

// skipServerWithRaceDetector skips the S3 server of this process: the race detector watches the
// server, too, and sees the same of our code as with a server of another process.
func skipServerWithRaceDetector(t *testing.T, s store) {
	t.Helper()
	if s.name == inProcess {
		skipWithRaceDetector(t)
	}
}
