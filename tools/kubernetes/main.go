// Command kubernetes is Kubernetes for tests, in one process on loopback: etcd, kube-apiserver, and the controllers of Jobs
// and CronJobs, all of them the real ones. In place of the scheduler and the kubelet stands ./kubelet.
//
//	kubernetes -dir DIR -image FOLDER -entrypoint PROGRAM
//
// Once it serves it writes DIR/kubeconfig, for an administrator, and says "ready" on standard output. It ends on SIGTERM.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/informers"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/pkg/controller/cronjob"
	"k8s.io/kubernetes/pkg/controller/job"

	"docker-mirror/tools/kubernetes/kubelet"
)

func main() {
	dir := flag.String("dir", "", "an empty folder for the state and the kubeconfig")
	image := flag.String("image", "", "the folder with the files that every pod's root starts from, whatever image it names")
	entrypoint := flag.String("entrypoint", "", "the program of it that every pod runs")
	flag.Parse()
	if err := run(*dir, *image, *entrypoint); err != nil {
		fmt.Fprintln(os.Stderr, "kubernetes:", err)
		os.Exit(1)
	}
}

func run(dir, image, entrypoint string) error {
	if dir == "" || image == "" || entrypoint == "" {
		return errors.New("-dir, -image or -entrypoint is missing")
	}
	etcd, err := startEtcd(filepath.Join(dir, "etcd"))
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer etcd.Close()
	config, args, err := apiServer(dir, etcd.Clients[0].Addr().String())
	if err != nil {
		return err
	}
	// This also is what hears signals: the context of the command ends with the first.
	server := app.NewAPIServerCommand()
	server.SetArgs(args)
	ctx := server.Context()
	ended := make(chan error, 1)
	go func() { ended <- server.ExecuteContext(ctx) }()

	client, err := waitUntilReady(ctx, config, ended)
	if err != nil {
		return err
	}
	if err := startControllers(ctx, client); err != nil {
		return err
	}
	if err := writeKubeconfig(filepath.Join(dir, "kubeconfig"), config); err != nil {
		return err
	}
	node := kubelet.Kubelet{Client: client, Image: image, Entrypoint: entrypoint, Dir: filepath.Join(dir, "kubelet")}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		node.Run(ctx)
	}()
	fmt.Println("ready")
	err = <-ended
	<-stopped
	return err
}

// startEtcd serves on a free port of loopback, and leaves it to the kernel when anything reaches the disk.
func startEtcd(dir string) (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Dir = dir
	config.UnsafeNoFsync = true
	config.LogLevel = "error"
	free := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config.ListenClientUrls, config.AdvertiseClientUrls = free, free
	config.ListenPeerUrls, config.AdvertisePeerUrls = free, free
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	<-etcd.Server.ReadyNotify()
	return etcd, nil
}

// apiServer gives the command line of kube-apiserver, and how an administrator reaches it.
func apiServer(dir, etcd string) (*rest.Config, []string, error) {
	port, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	key := filepath.Join(dir, "service-account.key")
	if err := writeKey(key); err != nil {
		return nil, nil, err
	}
	token := rand.Text()
	tokens := filepath.Join(dir, "tokens.csv")
	if err := os.WriteFile(tokens, []byte(token+`,admin,admin,"system:masters"`+"\n"), 0o600); err != nil {
		return nil, nil, err
	}
	certificates := filepath.Join(dir, "certificates")
	config := &rest.Config{
		Host:        fmt.Sprintf("https://127.0.0.1:%d", port),
		BearerToken: token,
		// The server signs its own; the file has the authority behind it, too.
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(certificates, "apiserver.crt")},
		// The controllers shall not be what a test waits for.
		QPS: 500, Burst: 500,
	}
	return config, []string{
		"--etcd-servers=http://" + etcd,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port), "--cert-dir=" + certificates,
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24",
		"--token-auth-file=" + tokens, "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
		// It would refuse pods until a controller that isn't here has made each namespace's default account.
		"--disable-admission-plugins=ServiceAccount",
	}, nil
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func writeKey(file string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return os.WriteFile(file, pem.EncodeToMemory(block), 0o600)
}

// waitUntilReady waits for as long as the server runs; who started this decides how long that may be.
func waitUntilReady(ctx context.Context, config *rest.Config, ended <-chan error) (*clientset.Clientset, error) {
	for {
		select {
		case err := <-ended:
			return nil, fmt.Errorf("kube-apiserver has ended: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
		// The certificate is there only once the server is.
		client, err := clientset.NewForConfig(config)
		if err != nil {
			continue
		}
		if _, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err == nil {
			return client, nil
		}
	}
}

func startControllers(ctx context.Context, client *clientset.Clientset) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	jobs := factory.Batch().V1().Jobs()
	jobController, err := job.NewController(ctx, client, factory.Core().V1().Pods(), jobs, nil, nil)
	if err != nil {
		return fmt.Errorf("the controller of Jobs: %w", err)
	}
	cronJobController, err := cronjob.NewControllerV2(ctx, jobs, factory.Batch().V1().CronJobs(), client)
	if err != nil {
		return fmt.Errorf("the controller of CronJobs: %w", err)
	}
	factory.Start(ctx.Done())
	go jobController.Run(ctx, 5)
	go cronJobController.Run(ctx, 5)
	return nil
}

func writeKubeconfig(file string, config *rest.Config) error {
	authority, err := os.ReadFile(config.CAFile)
	if err != nil {
		return err
	}
	const name = "test"
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: config.Host, CertificateAuthorityData: authority}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: config.BearerToken}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}, file)
}
