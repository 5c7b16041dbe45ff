// Package kubelet stands in for the kubelet and the scheduler in tests: it runs each pod's only container as a process
// of this machine, and tells the API server how that went.
//
// The process has a root of its own (chroot), with the files of one image for all pods, and the network of the machine.
// There are no probes, init containers, limits, capabilities or read-only roots: a ConfigMap is written into the root, an
// emptyDir is a folder there, and a PersistentVolumeClaim one that is mounted from outside. All this needs root.
package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Kubelet runs all pods of a cluster.
type Kubelet struct {
	Client kubernetes.Interface
	// Image is the folder with the files of the image, whatever a pod names; Entrypoint is the program in it.
	Image, Entrypoint string
	// Dir gets pods/NAMESPACE/NAME/{root,log,pid} and claims/NAMESPACE/NAME.
	Dir string
	// running are the processes by their pods. Only Run has them.
	running map[types.UID]*container
}

// Run goes on until the context ends; then all processes are killed.
func (k *Kubelet) Run(ctx context.Context) {
	k.running = map[types.UID]*container{}
	defer func() {
		for _, c := range k.running {
			c.signal(syscall.SIGKILL)
			<-c.ended
		}
	}()
	for {
		if err := k.sync(ctx); err != nil && ctx.Err() == nil {
			slog.Error("kubelet", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (k *Kubelet) sync(ctx context.Context) error {
	pods, err := k.Client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var all []error
	for i := range pods.Items {
		if err := k.syncPod(ctx, &pods.Items[i]); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// syncPod does the next thing that a pod needs, if any.
func (k *Kubelet) syncPod(ctx context.Context, pod *corev1.Pod) error {
	c, deleted := k.running[pod.UID], pod.DeletionTimestamp != nil
	terminal := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	switch {
	case c != nil && c.hasEnded():
		if err := k.report(ctx, pod, c.status()); err != nil {
			return err
		}
		delete(k.running, pod.UID)
		return nil
	case c != nil && deleted:
		c.stop(pod.DeletionTimestamp.Time)
		return nil
	case c != nil:
		return nil
	case deleted:
		now := int64(0)
		return k.Client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	case terminal:
		return nil
	case pod.Spec.NodeName == "":
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, UID: pod.UID}, Target: corev1.ObjectReference{Kind: "Node", Name: "here"}}
		return k.Client.CoreV1().Pods(pod.Namespace).Bind(ctx, binding, metav1.CreateOptions{})
	}
	return k.start(ctx, pod)
}

func (k *Kubelet) start(ctx context.Context, pod *corev1.Pod) error {
	c, err := k.newContainer(ctx, pod)
	if err == nil {
		err = c.start()
	}
	if err != nil {
		return k.report(ctx, pod, corev1.PodStatus{Phase: corev1.PodFailed, Reason: "CreateContainerError", Message: err.Error()})
	}
	k.running[pod.UID] = c
	return k.report(ctx, pod, c.status())
}

// report patches, as others write conditions into the status, too.
func (k *Kubelet) report(ctx context.Context, pod *corev1.Pod, status corev1.PodStatus) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return err
	}
	_, err = k.Client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// folder is where a pod's files are. Names of pods have no slashes.
func (k *Kubelet) folder(pod *corev1.Pod) string {
	return filepath.Join(k.Dir, "pods", pod.Namespace, pod.Name)
}

// inside puts a path of a container below its root, and never beside it.
func inside(root, path string) string {
	return filepath.Join(root, filepath.Clean("/"+strings.TrimPrefix(path, "/")))
}
