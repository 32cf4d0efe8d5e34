#pragma once
// Work that several threads do and one takes, in order.

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace vitq {

/// Items on their way from several threads, which make them in any order, to one that takes them in the order of their
/// numbers. Only so many wait here.
template <class Item>
class InOrder {
 public:
  /// For items begin to end - 1, of which at most `room` are here or being made.
  InOrder(std::size_t begin, std::size_t end, std::size_t room)
      : next_(begin), taken_(begin), end_(end), places_(room) {}

  /// The number of one to be made, once there is room for it; nothing when there are no more.
  std::optional<std::size_t> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_over_ || next_ == end_ || next_ < taken_ + places_.size(); });
    return is_over_ || next_ == end_ ? std::nullopt : std::optional(next_++);
  }

  /// What `make` returns or throws is item `index`.
  template <class Make>
  void put(std::size_t index, const Make& make) {
    Place place;
    try {
      place.item = make();
    } catch (...) {
      place.failure = std::current_exception();
    }
    const std::scoped_lock lock(mutex_);
    places_[index % places_.size()] = std::move(place);
    changed_.notify_all();
  }

  /// The next one; throws what was thrown in its place.
  Item take() {
    std::unique_lock lock(mutex_);
    Place& place = places_[taken_ % places_.size()];
    changed_.wait(lock, [&] { return place.item || place.failure; });
    if (place.failure) std::rethrow_exception(place.failure);
    Item item = *std::move(place.item);
    place = {};
    ++taken_;
    changed_.notify_all();
    return item;
  }

  /// next() has no more.
  void end() {
    const std::scoped_lock lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  }

 private:
  struct Place {
    std::optional<Item> item;
    std::exception_ptr failure;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_, taken_, end_;
  bool is_over_ = false;
  std::vector<Place> places_;
};

}  // namespace vitq
