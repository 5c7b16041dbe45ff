package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// container is the process of a pod.
type container struct {
	pod     *corev1.Pod
	command *exec.Cmd
	folder  string
	// mounts are the folders in the root that others share, until the end.
	mounts   []string
	started  metav1.Time
	finished metav1.Time
	stopping bool
	ended    chan struct{}
}

// newContainer makes the root of a pod's process.
func (k *Kubelet) newContainer(ctx context.Context, pod *corev1.Pod) (*container, error) {
	if len(pod.Spec.InitContainers) > 0 || len(pod.Spec.Containers) != 1 {
		return nil, errors.New("this kubelet runs pods of one container only")
	}
	user, group := pod.Spec.SecurityContext.RunAsUser, pod.Spec.SecurityContext.RunAsGroup
	if user == nil || group == nil {
		return nil, errors.New("this kubelet needs runAsUser and runAsGroup")
	}
	spec := pod.Spec.Containers[0]
	env, err := environment(pod, spec)
	if err != nil {
		return nil, err
	}
	c := &container{pod: pod, folder: k.folder(pod), ended: make(chan struct{})}
	root := filepath.Join(c.folder, "root")
	if err := os.CopyFS(root, os.DirFS(k.Image)); err != nil {
		return nil, err
	}
	for _, mount := range spec.VolumeMounts {
		if err := k.mount(ctx, c, root, mount); err != nil {
			c.unmount()
			return nil, fmt.Errorf("volume %s: %w", mount.Name, err)
		}
	}
	c.command = exec.Command(k.Entrypoint)
	c.command.Dir, c.command.Env = "/", []string{"HOME=/home/nonroot"}
	variables := expansion.MappingFuncFor(env)
	for _, arg := range spec.Args {
		c.command.Args = append(c.command.Args, expansion.Expand(arg, variables))
	}
	for name, value := range env {
		c.command.Env = append(c.command.Env, name+"="+value)
	}
	c.command.SysProcAttr = &syscall.SysProcAttr{
		Chroot: root, Credential: &syscall.Credential{Uid: uint32(*user), Gid: uint32(*group)}, Pdeathsig: syscall.SIGKILL,
	}
	return c, nil
}

func environment(pod *corev1.Pod, spec corev1.Container) (map[string]string, error) {
	env := map[string]string{}
	for _, v := range spec.Env {
		switch {
		case v.ValueFrom == nil:
			env[v.Name] = expansion.Expand(v.Value, expansion.MappingFuncFor(env))
		case v.ValueFrom.FieldRef != nil:
			value, err := fieldpath.ExtractFieldPathAsString(pod, v.ValueFrom.FieldRef.FieldPath)
			if err != nil {
				return nil, err
			}
			env[v.Name] = value
		default:
			return nil, fmt.Errorf("this kubelet can't take the variable %s from there", v.Name)
		}
	}
	return env, nil
}

// mount puts a volume into the root.
func (k *Kubelet) mount(ctx context.Context, c *container, root string, mount corev1.VolumeMount) error {
	target := inside(root, mount.MountPath)
	for _, volume := range c.pod.Spec.Volumes {
		switch {
		case volume.Name != mount.Name:
			continue
		case volume.ConfigMap != nil:
			configMap, err := k.Client.CoreV1().ConfigMaps(c.pod.Namespace).Get(ctx, volume.ConfigMap.Name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			return writeConfigMap(configMap.Data, target, mount.SubPath)
		case volume.EmptyDir != nil:
			return everybodys(target)
		case volume.PersistentVolumeClaim != nil:
			return k.mountClaim(c, volume.PersistentVolumeClaim.ClaimName, target)
		}
		return errors.New("this kubelet doesn't know its kind")
	}
	return errors.New("there is none of that name")
}

func (k *Kubelet) mountClaim(c *container, claim, target string) error {
	folder := filepath.Join(k.Dir, "claims", c.pod.Namespace, claim)
	for _, made := range []string{folder, target} {
		if err := everybodys(made); err != nil {
			return err
		}
	}
	if err := syscall.Mount(folder, target, "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	c.mounts = append(c.mounts, target)
	return nil
}

func writeConfigMap(data map[string]string, target, subPath string) error {
	for name, content := range data {
		file := filepath.Join(target, name)
		if subPath != "" {
			file = target
		}
		if subPath != "" && name != subPath {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// everybodys makes a folder that any user can write to, whatever the umask.
func everybodys(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.Chmod(folder, 0o777)
}

// start runs the process, whose id goes into the pod's folder.
func (c *container) start() error {
	log, err := os.Create(filepath.Join(c.folder, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c.command.Stdout, c.command.Stderr = log, log
	began := make(chan error)
	go func() {
		defer close(c.ended)
		// A process dies with the thread that started it, which therefore is this goroutine's own.
		runtime.LockOSThread()
		err := c.command.Start()
		began <- err
		if err == nil {
			_ = c.command.Wait() // the state tells
			c.unmount()
			c.finished = metav1.Now()
		}
	}()
	if err := <-began; err != nil {
		return err
	}
	c.started = metav1.Now()
	return os.WriteFile(filepath.Join(c.folder, "pid"), []byte(strconv.Itoa(c.command.Process.Pid)), 0o644)
}

func (c *container) unmount() {
	for _, folder := range c.mounts {
		_ = syscall.Unmount(folder, syscall.MNT_DETACH)
	}
}

func (c *container) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

func (c *container) signal(s syscall.Signal) { _ = c.command.Process.Signal(s) }

// stop asks the process to end, and ends it at the deadline.
func (c *container) stop(deadline time.Time) {
	if !c.stopping {
		c.stopping = true
		c.signal(syscall.SIGTERM)
	}
	if time.Now().After(deadline) {
		c.signal(syscall.SIGKILL)
	}
}

// status is the pod's while the process runs, and once it has ended.
func (c *container) status() corev1.PodStatus {
	spec := c.pod.Spec.Containers[0]
	status := corev1.ContainerStatus{Name: spec.Name, Image: spec.Image, ImageID: spec.Image}
	phase := corev1.PodRunning
	if !c.hasEnded() {
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: c.started}
	} else {
		end := &corev1.ContainerStateTerminated{ExitCode: c.exitCode(), Reason: "Completed", StartedAt: c.started, FinishedAt: c.finished}
		phase = corev1.PodSucceeded
		if end.ExitCode != 0 {
			phase, end.Reason, end.Message = corev1.PodFailed, "Error", c.lastOfLog()
		}
		status.State.Terminated = end
	}
	return corev1.PodStatus{Phase: phase, StartTime: &c.started, ContainerStatuses: []corev1.ContainerStatus{status}}
}

// exitCode is that of a shell for a process that a signal ended.
func (c *container) exitCode() int32 {
	if state, ok := c.command.ProcessState.Sys().(syscall.WaitStatus); ok && state.Signaled() {
		return 128 + int32(state.Signal())
	}
	return int32(c.command.ProcessState.ExitCode())
}

// lastOfLog is what FallbackToLogsOnError makes the termination message: 2 KiB or 80 lines of it.
func (c *container) lastOfLog() string {
	log, err := os.ReadFile(filepath.Join(c.folder, "log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-2048):])
}
