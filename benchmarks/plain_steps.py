# SPDX-License-Identifier: MIT
"""Training steps of CycleGAN, StarGAN and AttGAN as one would write them by hand, with torch's own layers and no loop.

Written from the layer tables of the papers and the order of events in the authors' released code: instance
normalisation as ``nn.InstanceNorm2d``, real and made pictures shown to the discriminator one after another, a fresh
translation for each update. ``test_training_speed.py`` fills them with our weights and compares.
"""

import torch
from torch import nn
from torch.nn import functional as f

ADAM = (0.5, 0.999)


def normed(convolution, channels, affine):
    return [convolution, nn.InstanceNorm2d(channels, affine=affine), nn.ReLU(inplace=True)]


class Residual(nn.Module):
    def __init__(self, channels, *, reflect):
        super().__init__()
        around = (lambda: [nn.ReflectionPad2d(1)]) if reflect else list
        zeros = 0 if reflect else 1
        self.body = nn.Sequential(
            *around(),
            *normed(nn.Conv2d(channels, channels, 3, 1, zeros, bias=reflect), channels, not reflect),
            *around(),
            *normed(nn.Conv2d(channels, channels, 3, 1, zeros, bias=reflect), channels, not reflect)[:-1],
        )

    def forward(self, x):
        return x + self.body(x)


def train_only(wanted, others):
    for network in wanted:
        network.requires_grad_(True)
    for network in others:
        network.requires_grad_(False)


def penalty(critic, real, fake, chance):
    weight = torch.rand(len(real), 1, 1, 1, generator=chance)
    between = (real + weight * (fake - real)).requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.square().flatten(1).sum(1) + 1e-16).sqrt() - 1).square().mean()


# --- CycleGAN: networks.py and cycle_gan_model.py of the released code ------------------------------------------


def cyclegan_generator():
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        *normed(nn.Conv2d(3, 64, 7), 64, False),
        *normed(nn.Conv2d(64, 128, 3, 2, 1), 128, False),
        *normed(nn.Conv2d(128, 256, 3, 2, 1), 256, False),
        *[Residual(256, reflect=True) for _ in range(6)],
        *normed(nn.ConvTranspose2d(256, 128, 3, 2, 1, 1), 128, False),
        *normed(nn.ConvTranspose2d(128, 64, 3, 2, 1, 1), 64, False),
        nn.ReflectionPad2d(3),
        nn.Conv2d(64, 3, 7),
        nn.Tanh(),
    )


def cyclegan_discriminator():
    layers = [nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for before, stride in ((64, 2), (128, 2), (256, 1)):
        layers += [nn.Conv2d(before, 2 * before, 4, stride, 1), nn.InstanceNorm2d(2 * before), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 1))


class CycleGAN:
    def __init__(self):
        self.to_positive, self.to_negative = cyclegan_generator(), cyclegan_generator()
        self.judge_positive, self.judge_negative = cyclegan_discriminator(), cyclegan_discriminator()
        self.networks = [self.to_positive, self.to_negative, self.judge_positive, self.judge_negative]
        self.generators, self.judges = self.networks[:2], self.networks[2:]
        self.adam, self.adam_d = (
            torch.optim.Adam([p for network in group for p in network.parameters()], 2e-4, betas=ADAM)
            for group in (self.generators, self.judges)
        )
        self.history = []

    def step(self, images, labels, count, number, chance):
        a, b = images[:count], images[count:]
        train_only(self.generators, self.judges)
        made_b, made_a = self.to_positive(a), self.to_negative(b)
        back_a, back_b = self.to_negative(made_b), self.to_positive(made_a)
        same_a, same_b = self.to_negative(a), self.to_positive(b)
        adversarial = sum(
            (judge(made) - 1).square().mean()
            for judge, made in ((self.judge_positive, made_b), (self.judge_negative, made_a))
        )
        cycle = f.l1_loss(back_a, a) + f.l1_loss(back_b, b)
        g = adversarial + 10 * cycle + 5 * (f.l1_loss(same_a, a) + f.l1_loss(same_b, b))
        self.adam.zero_grad()
        g.backward()
        self.adam.step()
        train_only(self.judges, self.generators)
        self.adam_d.zero_grad()
        d = 0.0
        for judge, real, made in ((self.judge_positive, b, made_b), (self.judge_negative, a, made_a)):
            self.history.append(made.detach())  # the pool returns what is new until it holds 50
            one = 0.5 * ((judge(real) - 1).square().mean() + judge(made.detach()).square().mean())
            one.backward()
            d += one.item()
        self.adam_d.step()
        return g.item() + d


# --- StarGAN: model.py and solver.py of the released code -------------------------------------------------------


class StarGenerator(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.main = nn.Sequential(
            *normed(nn.Conv2d(3 + count, 64, 7, 1, 3, bias=False), 64, True),
            *normed(nn.Conv2d(64, 128, 4, 2, 1, bias=False), 128, True),
            *normed(nn.Conv2d(128, 256, 4, 2, 1, bias=False), 256, True),
            *[Residual(256, reflect=False) for _ in range(6)],
            *normed(nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False), 128, True),
            *normed(nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), 64, True),
            nn.Conv2d(64, 3, 7, 1, 3, bias=False),
            nn.Tanh(),
        )

    def forward(self, x, labels):
        return self.main(torch.cat([x, labels[:, :, None, None].repeat(1, 1, *x.shape[2:])], 1))


class StarDiscriminator(nn.Module):
    def __init__(self, count):
        super().__init__()
        layers, before = [], 3
        for width in (64, 128, 256, 512, 1024, 2048):
            layers += [nn.Conv2d(before, width, 4, 2, 1), nn.LeakyReLU(0.01)]
            before = width
        self.main = nn.Sequential(*layers)
        self.source = nn.Conv2d(2048, 1, 3, 1, 1, bias=False)
        self.classes = nn.Conv2d(2048, count, 2, bias=False)

    def forward(self, x):
        features = self.main(x)
        return self.source(features), self.classes(features).flatten(1)


def bce_sum(logits, labels):
    return f.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / len(labels)


class StarGAN:
    def __init__(self, count=5):
        self.g, self.d = StarGenerator(count), StarDiscriminator(count)
        self.networks = [self.g, self.d]
        self.adam, self.adam_d = (torch.optim.Adam(net.parameters(), 1e-4, betas=ADAM) for net in self.networks)

    def step(self, images, labels, count, number, chance):
        targets = labels[torch.randperm(len(images), generator=chance)]
        train_only([self.d], [self.g])
        source, classes = self.d(images)
        made = self.g(images, targets)
        wasserstein = self.d(made)[0].mean() - source.mean()
        d = wasserstein + bce_sum(classes, labels) + 10 * penalty(lambda x: self.d(x)[0], images, made, chance)
        self.adam_d.zero_grad()
        d.backward()
        self.adam_d.step()
        total = d.item()
        if (number + 1) % 5 == 0:
            train_only([self.g], [self.d])
            made = self.g(images, targets)
            source, classes = self.d(made)
            g = -source.mean() + bce_sum(classes, targets) + 10 * f.l1_loss(self.g(made, labels), images)
            self.adam.zero_grad()
            g.backward()
            self.adam.step()
            total += g.item()
        return total


# --- AttGAN: nn.py and attgan.py of the released code's ports ---------------------------------------------------


class AttGenerator(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.encoder, self.decoder, before = nn.ModuleList(), nn.ModuleList(), 3
        for width in (64, 128, 256, 512, 1024):
            convolution = nn.Conv2d(before, width, 4, 2, 1, bias=False)
            self.encoder.append(nn.Sequential(convolution, nn.BatchNorm2d(width), nn.LeakyReLU(0.2, True)))
            before = width
        for inputs, width in ((1024 + count, 1024), (1024 + 512 + count, 512), (512, 256), (256, 128)):
            convolution = nn.ConvTranspose2d(inputs, width, 4, 2, 1, bias=False)
            self.decoder.append(nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(True)))
        self.decoder.append(nn.Sequential(nn.ConvTranspose2d(128, 3, 4, 2, 1), nn.Tanh()))

    def encode(self, x):
        maps = []
        for layer in self.encoder:
            x = layer(x)
            maps.append(x)
        return maps

    def decode(self, maps, labels):
        def planes(x):
            return (2 * labels - 1)[:, :, None, None].expand(-1, -1, *x.shape[2:])

        x = self.decoder[0](torch.cat([maps[-1], planes(maps[-1])], 1))
        x = torch.cat([x, maps[-2], planes(x)], 1)
        for layer in self.decoder[1:]:
            x = layer(x)
        return x


class AttDiscriminator(nn.Module):
    def __init__(self, count):
        super().__init__()
        layers, before = [], 3
        for width in (64, 128, 256, 512, 1024):
            layers += [nn.Conv2d(before, width, 4, 2, 1, bias=False), nn.InstanceNorm2d(width, affine=True)]
            layers += [nn.LeakyReLU(0.2, True)]
            before = width
        self.main = nn.Sequential(*layers, nn.Flatten())
        self.source, self.classes = (
            nn.Sequential(nn.Linear(1024 * 16, 1024), nn.LeakyReLU(0.2, True), nn.Linear(1024, outputs))
            for outputs in (1, count)
        )

    def forward(self, x):
        features = self.main(x)
        return self.source(features), self.classes(features)


class AttGAN:
    def __init__(self, count=13):
        self.g, self.d = AttGenerator(count), AttDiscriminator(count)
        self.networks = [self.g, self.d]
        self.adam, self.adam_d = (torch.optim.Adam(net.parameters(), 2e-4, betas=ADAM) for net in self.networks)

    def step(self, images, labels, count, number, chance):
        targets = labels[torch.randperm(len(images), generator=chance)]
        if number % 6 == 5:
            train_only([self.g], [self.d])
            maps = self.g.encode(images)
            made, again = self.g.decode(maps, targets), self.g.decode(maps, labels)
            source, classes = self.d(made)
            loss = -source.mean() + 10 * f.binary_cross_entropy_with_logits(classes, targets)
            loss = loss + 100 * f.l1_loss(again, images)
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
            return loss.item()
        train_only([self.d], [self.g])
        made = self.g.decode(self.g.encode(images), targets)
        source, classes = self.d(images)
        wasserstein = self.d(made)[0].mean() - source.mean()
        loss = wasserstein + f.binary_cross_entropy_with_logits(classes, labels)
        loss = loss + 10 * penalty(lambda x: self.d(x)[0], images, made, chance)
        self.adam_d.zero_grad()
        loss.backward()
        self.adam_d.step()
        return loss.item()
