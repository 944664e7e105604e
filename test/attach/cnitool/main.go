// Runs a list of plugins as container runtimes do, by their own library (libcni): cnitool add|check|del NETWORK NETNS.
// The list is NETCONFPATH/*.conflist; plugins are found by CNI_PATH; CNI_ARGS, CNI_IFNAME and CAP_ARGS go along.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"
)

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: cnitool add|check|del NETWORK NETNS"))
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fail(err)
	}
}

func run(command, network, netns string) error {
	list, err := libcni.LoadConfList(os.Getenv("NETCONFPATH"), network)
	if err != nil {
		return err
	}
	container, err := runtimeConf(netns)
	if err != nil {
		return err
	}
	cni := libcni.NewCNIConfigWithCacheDir(filepath.SplitList(os.Getenv("CNI_PATH")), os.Getenv("CACHE"), nil)
	switch command {
	case "add":
		result, err := cni.AddNetworkList(context.TODO(), list, container)
		if err != nil {
			return err
		}
		return result.Print()
	case "check":
		return cni.CheckNetworkList(context.TODO(), list, container)
	case "del":
		return cni.DelNetworkList(context.TODO(), list, container)
	}
	return fmt.Errorf("unknown command %s", command)
}

func runtimeConf(netns string) (*libcni.RuntimeConf, error) {
	digest := sha256.Sum256([]byte(netns))
	conf := &libcni.RuntimeConf{
		ContainerID: "cnitool-" + hex.EncodeToString(digest[:10]),
		NetNS:       netns,
		IfName:      os.Getenv("CNI_IFNAME"),
	}
	for _, pair := range strings.Split(os.Getenv("CNI_ARGS"), ";") {
		if key, value, found := strings.Cut(pair, "="); found {
			conf.Args = append(conf.Args, [2]string{key, value})
		}
	}
	if text := os.Getenv("CAP_ARGS"); text != "" {
		return conf, json.Unmarshal([]byte(text), &conf.CapabilityArgs)
	}
	return conf, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
