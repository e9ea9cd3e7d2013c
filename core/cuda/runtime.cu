#include "core/cuda/runtime.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "core/cuda/architectures.h"
#include "core/cuda/event.h"
#include "core/cuda/staging.h"
#include "core/device_memory.h"
#include "core/out_of_memory.h"

namespace lf::cuda {
namespace {

// The oldest device whose code a build contains (see CMAKE_CUDA_ARCHITECTURES in CMakeLists.txt).
constexpr int kOldestMajor = 8;

const char* remedy(cudaError_t status) {
  switch (status) {
    case cudaErrorNoDevice:
      return "; nvidia-smi must list a device, and CUDA_VISIBLE_DEVICES must not hide it";
    case cudaErrorInsufficientDriver:
      return "; there is no NVIDIA driver here, or one older than the CUDA toolkit of this build: see "
             "nvidia-smi";
    case cudaErrorNoKernelImageForDevice:
      return "; rebuild with CMAKE_CUDA_ARCHITECTURES set to the device's compute capability";
    case cudaErrorDevicesUnavailable:
      return "; another process holds the device exclusively";
    default:
      return "";
  }
}

// Which of a node's processes this is, so that each takes a device of its own; 0 where no launcher says it.
int local_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"}) {
    if (const char* rank = std::getenv(name)) return std::max(0, std::atoi(rank));
  }
  return 0;
}

DeviceProperties choose_device() {
  int count = 0;
  check(cudaGetDeviceCount(&count), "looking for a device");
  CHECK(count > 0, "device cuda: none found", remedy(cudaErrorNoDevice));
  const int chosen = local_rank() % count;
  check(cudaSetDevice(chosen), "opening the device");
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, chosen), "reading the device's properties");
  DeviceProperties result{properties.name,
                          chosen,
                          properties.major,
                          properties.minor,
                          properties.multiProcessorCount,
                          static_cast<int64_t>(properties.sharedMemPerBlockOptin),
                          built_code().runs_on(properties.major, properties.minor)};
  CHECK(result.major >= kOldestMajor, "device cuda: ", result.name, " has compute capability ", result.major,
        '.', result.minor, "; needed ", kOldestMajor, ".0 or newer (Ampere, Ada, Hopper)");
  return result;
}

std::atomic<int64_t> waits_so_far = 0;

void wait() { check(cudaStreamSynchronize(stream()), "waiting for the device"); }

}  // namespace

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const std::string message = text("device cuda: ", what, ": ", cudaGetErrorString(status), " (",
                                   cudaGetErrorName(status), ')', remedy(status));
  if (status == cudaErrorMemoryAllocation) throw OutOfMemory(message);
  throw Error(message);
}

const DeviceProperties& device() {
  static const DeviceProperties properties = choose_device();
  thread_local bool opened = false;  // the runtime's choice is each thread's own
  if (!opened) {
    check(cudaSetDevice(properties.index), "opening the device");
    opened = true;
  }
  return properties;
}

cudaStream_t stream() {
  device();
  static cudaStream_t the_stream = [] {
    cudaStream_t created = nullptr;
    check(cudaStreamCreateWithFlags(&created, cudaStreamNonBlocking), "making a stream");
    return created;
  }();
  return the_stream;
}

std::string describe_device() {
  const DeviceProperties& d = device();
  int driver = 0, runtime = 0;
  check(cudaDriverGetVersion(&driver), "asking for the driver's version");
  check(cudaRuntimeGetVersion(&runtime), "asking for the runtime's version");
  const auto version = [](int number) { return text(number / 1000, '.', number % 1000 / 10); };
  return text(d.name, ", compute capability ", d.major, '.', d.minor, ", ", d.multiprocessors,
              " multiprocessors, driver ", version(driver), ", runtime ", version(runtime));
}

int64_t shared_bytes_per_block() { return device().shared_bytes_per_block; }

std::string device_name() { return device().name; }

void* allocate(int64_t bytes) {
  device();
  void* block = nullptr;
  const cudaError_t status = cudaMalloc(&block, static_cast<size_t>(bytes));
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // or the next kernel launch would report it
    return nullptr;
  }
  check(status, "allocating memory");
  return block;
}

void release(void* block) {
  device();
  check(cudaFree(block), "releasing memory");
}

DeviceMemory device_memory() {
  device();
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for free memory");
  return {static_cast<int64_t>(free), static_cast<int64_t>(total)};
}

void copy_to_device(void* to, const void* from, int64_t bytes) {
  static auto& staging = *new Staging;  // never destroyed: tensors in other statics may outlive it
  staging.copy(to, from, bytes);
}

void copy_to_host(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  ++waits_so_far;
  inspect(to, from, bytes);
}

void copy_on_device(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, stream()),
        "copying on the device");
}

void fill_bytes(void* to, int byte, int64_t bytes) {
  if (bytes == 0) return;
  check(cudaMemsetAsync(to, byte, static_cast<size_t>(bytes), stream()), "filling memory");
}

double milliseconds_of(const std::function<void()>& work) {
  synchronize();
  Event start, stop;
  start.record(stream());
  work();
  stop.record(stream());
  check(cudaEventSynchronize(stop.get()), "waiting for a timer");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, start.get(), stop.get()), "reading a timer");
  return milliseconds;
}

void synchronize() {
  ++waits_so_far;
  wait();
}

int64_t waits() { return waits_so_far; }

void inspect(void* to, const void* from, int64_t bytes) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, stream()),
        "copying from the device");
  wait();
}

}  // namespace lf::cuda
